"""What a training is: the recipe, its layers and its hyper-parameters, checked before anything runs."""
