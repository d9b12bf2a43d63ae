"""Do the neighbors of an image vote for its class?"""
