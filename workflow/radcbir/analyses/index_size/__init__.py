"""Does a larger index help?"""
