"""Two people at two browsers: what a route change, a reload and a restart of the balancer mean to them."""

from __future__ import annotations

from pathlib import Path

import pytest
from browser.site import Balancer
from support.browser import PHONE
from support.nginx import wait_for
from support.people import Join

pytestmark = [pytest.mark.nginx, pytest.mark.browser]

MARKUP = "<img src=x onerror=alert(1)> & so on"


def test_a_route_change_and_a_reload_are_not_noticed(balancer: Balancer, join: Join, pictures: Path) -> None:
    with join(balancer.url, "Ada") as ada, join(balancer.url, "Grace", **PHONE) as grace:
        ada.sees("Ada", "Grace")
        ada.say("Good morning, Grace. Can you read this?")
        grace.hears("Good morning, Grace. Can you read this?")
        grace.say(MARKUP)
        ada.hears("Good morning, Grace. Can you read this?", MARKUP)

        old = set(balancer.node.workers())
        balancer.route("--read-timeout", "2h")
        wait_for(lambda: set(balancer.node.workers()) - old, "workers that know the new route")
        assert "2h" in balancer.node.site.read_text()

        grace.say("Word for word.")
        ada.hears("Good morning, Grace. Can you read this?", MARKUP, "Word for word.")
        ada.say("The balancer was reloaded in between.")
        for person in (ada, grace):
            person.tab.wait("document.querySelectorAll('#said .text').length === 4")
            assert person.tab.sockets == [
                f"ws://127.0.0.1:{balancer.node.port}/ws/"
            ]  # one, and never another
            assert person.notes == (["Grace joined"] if person is ada else [])
            assert person.tab.complaints == []
            assert all(request.startswith(balancer.url) for request in person.tab.requests)
        ada.tab.picture(pictures / "chat-desktop.png")
        grace.tab.picture(pictures / "chat-phone.png")


def test_a_restart_of_the_balancer_is_got_over(balancer: Balancer, join: Join, pictures: Path) -> None:
    with (
        join(balancer.url, "Ada", color_scheme="dark") as ada,
        join(balancer.url, "Grace", color_scheme="dark", **PHONE) as grace,
    ):
        ada.say("one")
        grace.hears("one")
        grace.say("two")
        ada.hears("one", "two")

        balancer.node.stop()
        for person in (ada, grace):
            person.is_("waiting")
            assert person.tab.ask("document.querySelector('#spoken').textContent").startswith(
                "Connection lost"
            )
        ada.tab.wait("document.querySelector('#status').textContent.startsWith('Reconnecting in ')")
        grace.say("three, said while nobody was there")
        assert "waiting for the connection" in grace.tab.ask("document.querySelector('#outbox').innerText")
        ada.tab.picture(pictures / "restart-desktop-dark.png")
        grace.tab.picture(pictures / "restart-phone-dark.png")

        balancer.node.start()
        for person in (ada, grace):  # by themselves: nobody presses anything
            person.is_("connected")
            person.hears("one", "two", "three, said while nobody was there")
            person.sees("Ada", "Grace")  # under their old names
            assert len(person.tab.sockets) > 1
        assert grace.tab.ask("document.querySelector('#outbox').children.length") == 0
        assert grace.tab.ask("document.querySelector('#spoken').textContent") == "Connected"
        ada.say("four")
        grace.hears("one", "two", "three, said while nobody was there", "four")
        with join(balancer.url, "Konrad") as konrad:
            konrad.hears("one", "two", "three, said while nobody was there", "four")
        ada.tab.picture(pictures / "again-desktop-dark.png")
