"""The pages as people see them: one node and one Chromium for all tests of this folder.

Playwright keeps an event loop running in the tests' thread: ask the node by ``page.request`` or ``node.archive`` here,
not by anyio.
"""
