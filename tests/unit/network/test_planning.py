"""What an endpoint gets is decided before the kernel is touched."""

from linkspan.model.network import EndpointConfig
from linkspan.model.sandbox import ContainerIdentity
from linkspan.network.planning import dns_names

ID = "0123456789ab" + "c" * 52


def test_a_container_answers_to_its_names_the_own_one_first() -> None:
    container = ContainerIdentity(ID, "web", "www", "example.com")
    config = EndpointConfig(aliases=("shop", "web"))
    assert dns_names(container, config) == ("web", "shop", "0123456789ab", "www", "www.example.com")


def test_a_hostname_without_a_domain_stands_alone() -> None:
    container = ContainerIdentity(ID, "web", ID[:12], "")
    assert dns_names(container, EndpointConfig()) == ("web", "0123456789ab")
