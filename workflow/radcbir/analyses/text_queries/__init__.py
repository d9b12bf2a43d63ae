"""What do texts find?"""
