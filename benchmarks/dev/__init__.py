"""Development: the scripts behind figures in the pages that are no benchmark of samplers."""
