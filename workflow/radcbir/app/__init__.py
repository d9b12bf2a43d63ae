"""The page that answers queries: a local web server over the indexes of a finished run.

``vectors`` (search, feedback, folding) and ``collection`` (what a catalog knows, filters) are pure;
``views`` has what is shown around results; ``worker`` is the child process that decodes uploads and
runs an encoder, ``workers`` starts and asks it; ``engine`` puts them together; ``server`` speaks
HTTP. torch lives in the children, faiss in the server.
"""
