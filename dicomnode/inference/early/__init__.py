"""What a network said of single images before their study was complete."""
