"""CBIS-DDSM as The Cancer Imaging Archive delivers it: its tables, its folders, and what is wrong with both."""
