"""The one exception that users are meant to read."""


class InputError(Exception):
    """Something that the user gave is wrong and only the user can mend it.

    The message is one sentence: what is wrong, where (file, row, key), and what to do. Scripts
    print it without a traceback; anything else that is raised is a defect of the workflow and keeps
    its traceback.
    """
