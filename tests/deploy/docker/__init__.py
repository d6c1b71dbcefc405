"""What an image is made of, without a container engine."""
