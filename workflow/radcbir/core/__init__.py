"""What every other package uses: errors, files, logs, devices, tables, schema checks, digests of
code.
"""
