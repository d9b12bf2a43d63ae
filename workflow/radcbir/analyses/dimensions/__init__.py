"""What do fewer dimensions and fewer bits lose?"""
