"""What pages and figures share: templates, sections, cells, style."""
