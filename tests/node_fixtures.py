import pytest


@pytest.fixture
def node_factory(): ...
