"""Images of a PACS by DICOMweb (PS3.18): listed by QIDO-RS, fetched by WADO-RS into a folder."""
