"""What the node tells of itself to those who look after it: alarms, notifications, traces."""
