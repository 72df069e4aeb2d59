"""`chat`, as people use it: two pages in a browser, and a client that has no page."""

import json

import server as servers
from chromium import chromium
from curl import fetch
from server import example
from websockets.asyncio.client import connect


def test_two_pages_talk_to_each_other():
    with example("chat") as server, chromium() as browser:
        anna, ben = browser.open(server.http()), browser.open(server.http())
        for page in [anna, ben]:
            page.wait_until(state_is("2 people are here"))

        anna.type("#name", "Anna")
        anna.type("#text", "Hello, Ben")
        anna.press_enter()
        for page in [anna, ben]:
            page.wait_until("document.querySelectorAll('#messages li').length === 1")
            assert page.ask(LINES) == [["Anna", "Hello, Ben"]]
        assert anna.ask("document.querySelector('#text').value") == ""

        ben.type("#text", "<b>Hi</b> & grüße ✓")
        ben.click("#send")
        for page in [anna, ben]:
            page.wait_until("document.querySelectorAll('#messages li').length === 2")
            # Who has no name is a guest with a number; what people say is never markup.
            [_, [name, text]] = page.ask(LINES)
            assert name.startswith("guest ")
            assert text == "<b>Hi</b> & grüße ✓"

        # The picture is for people to look at.
        ben.take_picture(servers.artefacts / "chat.png")
        for page in [anna, ben]:
            assert page.complaints() == []


def test_a_newcomer_sees_what_was_said_before_and_who_is_left_sees_one_go():
    with example("chat") as server, chromium() as browser:
        anna = browser.open(server.http())
        anna.wait_until(state_is("nobody else is here"))
        anna.type("#text", "Is anybody there?")
        anna.press_enter()
        anna.wait_until("document.querySelectorAll('#messages li').length === 1")
        ben = browser.open(server.http())
        ben.wait_until("document.querySelectorAll('#messages li').length === 1")
        anna.wait_until(state_is("2 people are here"))
        ben.load("about:blank")
        anna.wait_until(state_is("nobody else is here"))
        assert anna.complaints() == []


async def test_a_client_without_a_page_takes_part():
    with example("chat") as server:
        async with connect(server.ws("/ws")) as one, connect(server.ws("/ws")) as other:
            assert json.loads(await other.recv()) == {"kind": "people", "count": 2}
            await one.send("this is no message of the page")
            await one.send(json.dumps({"name": "robot", "text": "beep"}))
            said = {"kind": "message", "name": "robot", "text": "beep"}
            assert json.loads(await other.recv()) == said
            seen = [json.loads(await one.recv()) for _ in range(3)]
            assert seen[-1] == said


def test_the_websocket_is_not_for_plain_requests():
    with example("chat") as server:
        answer = fetch(server.http("/ws"))
        assert answer.status in [400, 426], answer.status


def state_is(text):
    return f"document.querySelector('#state').textContent === {json.dumps(text)}"


LINES = """[...document.querySelectorAll('#messages li')].map(
    line => [line.firstChild.textContent, line.lastChild.textContent])"""
