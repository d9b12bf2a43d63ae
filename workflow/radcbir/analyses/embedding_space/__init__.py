"""What is the shape of an embedding space, and which images are hubs?"""
