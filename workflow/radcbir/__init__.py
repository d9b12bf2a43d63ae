"""Content-based image retrieval in radiology: the library behind the workflow.

The modules form layers, and none imports a later one: ``errors``, ``files``, ``logs`` ->
``config``, ``code`` -> ``addresses`` -> ``catalog``, ``pseudonyms`` -> ``rasters``, ``dicom``,
``volumes`` -> ``images`` -> ``audit``, ``preparation``, ``encoders``, ``weights`` -> ``embeddings``
-> ``search`` -> ``metrics`` -> ``tables``, ``figures``, ``gallery``. Nothing here imports
snakemake; torch is imported in ``encoders`` alone and faiss in ``search`` alone, so that the two
are never loaded in one process (their OpenMP runtimes clash).
"""

__version__ = "0.1.0"
