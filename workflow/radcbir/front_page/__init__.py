"""The front page: per experiment which model is best, how sure that is, and what its errors look
like.
"""
