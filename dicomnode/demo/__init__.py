"""The whole loop on one machine: a drawn study, the node, a small second PACS."""
