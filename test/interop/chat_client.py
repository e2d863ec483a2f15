"""A client that shares no line with ours: Python's own HTTP and Debian's python3-websockets.

Reads {"url", "ws_url", "email", "password", "question"} as JSON from standard input, signs in, mints a ticket, asks the
question and writes what happened as one JSON object. Exits with status 1 and a reason when the server breaks the
protocol.
"""

import asyncio
import hashlib
import json
import sys
import urllib.request

import websockets

LIMIT_SECONDS = 30


def post(url, body, token=None):
    request = urllib.request.Request(url, data=json.dumps(body).encode(), method="POST")
    request.add_header("Content-Type", "application/json")
    if token is not None:
        request.add_header("Authorization", "Bearer " + token)
    with urllib.request.urlopen(request, timeout=LIMIT_SECONDS) as response:
        return json.load(response)


def apply_delta(text, delta):
    """Offsets count UTF-16 code units; Python's strings count code points."""
    units = text.encode("utf-16-le")[: delta["offset"] * 2]
    return units.decode("utf-16-le") + delta["text"]


async def read_answer(socket):
    """Collects frames until the run ends; builds the text from its deltas."""
    text, seqs, types = "", [], []
    while True:
        frame = json.loads(await asyncio.wait_for(socket.recv(), LIMIT_SECONDS))
        types.append(frame["type"])
        if "seq" in frame:
            seqs.append(frame["seq"])
        if frame["type"] == "message.delta":
            text = apply_delta(text, frame["data"])
        if frame["type"] in ("run.completed", "run.failed", "run.cancelled"):
            return text, seqs, types, frame["data"]


async def chat(order):
    session = post(order["url"] + "/auth/login", {"email": order["email"], "password": order["password"]})
    token = session["access_token"]
    conversation = post(order["url"] + "/conversations", {"title": "From Python"}, token)
    ticket = post(order["url"] + "/websocket/ticket", {"conversation_id": conversation["id"]}, token)
    address = f"{order['ws_url']}/ws/conversations/{conversation['id']}?ticket={ticket['ticket']}"

    async with websockets.connect(address, subprotocols=["chat.v1"]) as socket:
        ready = json.loads(await asyncio.wait_for(socket.recv(), LIMIT_SECONDS))
        message = {
            "conversation_id": conversation["id"],
            "client_message_id": "python-1",
            "content": order["question"],
        }
        await socket.send(json.dumps({"type": "message.send", "id": "1", "data": message}))
        text, seqs, types, end = await read_answer(socket)
        subprotocol = socket.subprotocol

    return {
        "ready": ready,
        "subprotocol": subprotocol,
        "types": types,
        "seqs": seqs,
        "text": text,
        "length": len(text.encode("utf-16-le")) // 2,
        "sha256": hashlib.sha256(text.encode()).hexdigest(),
        "end": end,
        "close_code": socket.close_code,
        "second_use": await second_use(address),
        "ticket": ticket["ticket"],
        "access_token": token,
        "refresh_token": session["refresh_token"],
    }


async def second_use(address):
    """The HTTP status that the used ticket gets."""
    try:
        async with websockets.connect(address, subprotocols=["chat.v1"]):
            return 101
    except websockets.InvalidStatusCode as refused:
        return refused.status_code


if __name__ == "__main__":
    json.dump(asyncio.run(chat(json.load(sys.stdin))), sys.stdout)
