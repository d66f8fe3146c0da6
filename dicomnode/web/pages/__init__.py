"""The pages for the administrator's and the radiologist's browser: one module per page, the same values as `api`."""
