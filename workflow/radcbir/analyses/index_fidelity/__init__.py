"""What do approximate indexes lose, and how fast are they?"""
