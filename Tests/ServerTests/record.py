"""Writes what a real PostgreSQL answers into the conversations of Queries/protocol.

Run: python3 Tests/ServerTests/record.py HOST PORT USER DATABASE [FILE...]
Needs a PostgreSQL 15 that trusts USER. Frontend lines (F) are sent as they stand, with USER and DATABASE in the place of
ana and lake; backend lines (B) are written anew. Lines with A say what Apus answers instead, with the reason in the
comment above; they stay behind a B line that has not changed.

A conversation is one connection; `F Startup` begins another, and so does `F Login`, whose answers are not listed. After
Query, Sync and Startup messages are read up to ReadyForQuery, after Raw up to the end of the connection.
"""
import pathlib
import socket
import struct
import sys

HERE = pathlib.Path(__file__).resolve().parents[2] / "Queries" / "protocol"
READ_AFTER = {"Startup", "Login", "Query", "Sync", "Raw"}


def tokens(line: str) -> list[str]:
    """Words of a line; a word may hold "quoted parts" with \\n, \\" and \\\\."""
    out, word, at, quoted = [], None, 0, False
    while at < len(line):
        c = line[at]
        if quoted and c == "\\":
            at += 1
            word += {"n": "\n", "t": "\t"}.get(line[at], line[at])
        elif c == '"':
            quoted, word = not quoted, word or ""
        elif c == " " and not quoted:
            if word is not None:
                out.append(word)
            word = None
        else:
            word = (word or "") + c
        at += 1
    return out + ([word] if word is not None else [])


def quote(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\t", "\\t") + '"'


def text(value: str) -> bytes:
    return value.encode() + b"\0"


def frontend(words: list[str], user: str, database: str) -> bytes:
    """The bytes of an F line."""
    kind, rest = words[0], words[1:]
    if kind == "Login":
        rest = ["user=ana", "database=lake", "TimeZone=UTC"]
    if kind in ("Startup", "Login"):
        body = b""
        for word in rest:
            name, _, value = word.partition("=")
            value = {"ana": user, "lake": database}.get(value, value)
            body += text(name) + text(value)
        return struct.pack("!II", len(body) + 9, 196608) + body + b"\0"
    if kind == "Raw":
        return bytes.fromhex("".join(rest))
    if kind == "Query":
        return message(b"Q", text(rest[0]))
    if kind == "Parse":
        oids = [int(word) for word in rest[2:]]
        return message(b"P", text(rest[0]) + text(rest[1]) + struct.pack(f"!H{len(oids)}I", len(oids), *oids))
    if kind == "Bind":
        formats, values, results = [], b"", []
        for word in rest[2:]:
            name, _, value = word.partition("=")
            if name == "results":
                results = [{"text": 0, "binary": 1}[item] for item in value.split(",")]
                continue
            formats.append(1 if name == "binary" else 0)
            if name == "null":
                values += struct.pack("!i", -1)
            else:
                data = bytes.fromhex(value) if name == "binary" else value.encode()
                values += struct.pack("!i", len(data)) + data
        count = len(formats)
        return message(
            b"B", text(rest[0]) + text(rest[1]) + struct.pack(f"!H{count}H", count, *formats)
            + struct.pack("!H", count) + values + struct.pack(f"!H{len(results)}H", len(results), *results))
    if kind == "Execute":
        return message(b"E", text(rest[0]) + struct.pack("!i", int(rest[1]) if len(rest) > 1 else 0))
    if kind in ("Describe", "Close"):
        return message(kind[:1].encode(), rest[0].encode() + text(rest[1] if len(rest) > 1 else ""))
    return message({"Sync": b"S", "Flush": b"H", "Terminate": b"X"}[kind], b"")


def message(kind: bytes, body: bytes) -> bytes:
    return kind + struct.pack("!I", len(body) + 4) + body


def value(data: bytes) -> str:
    """Printable bytes in quotes, others in hexadecimal."""
    return quote(data.decode()) if all(32 <= byte < 127 for byte in data) else "hex=" + data.hex()


PLAIN = {"1": "ParseComplete", "2": "BindComplete", "3": "CloseComplete", "n": "NoData", "s": "PortalSuspended",
         "I": "EmptyQueryResponse", "K": "BackendKeyData"}


def backend(kind: str, body: bytes) -> str:
    """A B line of a message."""
    if kind in PLAIN:
        return PLAIN[kind]
    if kind == "R":
        return f"Authentication {struct.unpack('!I', body[:4])[0]}"
    if kind == "S":
        name, content = body[:-1].split(b"\0")
        return f"ParameterStatus {name.decode()} {quote(content.decode())}"
    if kind == "Z":
        return f"ReadyForQuery {body.decode()}"
    if kind == "C":
        return f"CommandComplete {quote(body[:-1].decode())}"
    if kind == "t":
        return " ".join(["ParameterDescription"] + [str(oid) for oid in struct.unpack(f"!{(len(body) - 2) // 4}I", body[2:])])
    if kind == "T":
        out, at = ["RowDescription"], 2
        while at < len(body):
            end = body.index(b"\0", at)
            _, _, oid, size, modifier, fmt = struct.unpack("!IHIhih", body[end + 1:end + 19])
            out.append(f"{quote(body[at:end].decode())}:{oid}:{size}:{modifier}:{'binary' if fmt else 'text'}")
            at = end + 19
        return " ".join(out)
    if kind == "D":
        out, at = ["DataRow"], 2
        while at < len(body):
            size = struct.unpack("!i", body[at:at + 4])[0]
            at += 4
            out.append("null" if size < 0 else value(body[at:at + size]))
            at += max(size, 0)
        return " ".join(out)
    if kind in "EN":
        fields = {part[:1].decode(): part[1:].decode() for part in body.split(b"\0") if part}
        shown = [f"{name}={fields[name] if name in 'CP' else quote(fields[name])}" for name in "SCMDHP" if name in fields]
        return " ".join(["ErrorResponse" if kind == "E" else "NoticeResponse"] + shown)
    return f"{kind} {body.hex()}"


class Connection:
    def __init__(self, host: str, port: int) -> None:
        self.socket = socket.create_connection((host, port))
        self.buffer = b""

    def read(self, count: int) -> bytes:
        while len(self.buffer) < count:
            more = self.socket.recv(65536)
            if not more:
                raise EOFError
            self.buffer += more
        data, self.buffer = self.buffer[:count], self.buffer[count:]
        return data

    def answers(self) -> list[str]:
        """Lines up to ReadyForQuery, or to the end of the connection."""
        lines: list[str] = []
        try:
            while True:
                kind = self.read(1).decode()
                if kind == "N" and not self.buffer:
                    lines.append("No")
                    continue
                body = self.read(struct.unpack("!I", self.read(4))[0] - 4)
                lines.append(backend(kind, body))
                if kind == "Z":
                    return lines
        except (EOFError, ConnectionError):
            return lines + ["End"]


def accepted(lines: list[str]) -> dict[tuple[tuple[str, ...], str], list[str]]:
    """A lines with their comments, by what was sent and the B line before them."""
    found: dict[tuple[tuple[str, ...], str], list[str]] = {}
    sent: list[str] = []
    last, comments, is_answered = "", [], False
    for line in lines:
        if line.startswith("F "):
            sent = [line] if is_answered else sent + [line]
            is_answered = line == "F Login"
        elif line.startswith("B "):
            last, comments, is_answered = line, [], True
        elif line.startswith("#!"):
            comments.append(line)
        elif line.startswith("A"):
            key = (tuple(sent), last)
            found[key] = found.get(key, []) + comments + [line]
            comments = []
    return found


def record(path: pathlib.Path, host: str, port: int, user: str, database: str) -> None:
    old = path.read_text().splitlines()
    instead = accepted(old)
    out: list[str] = []
    sent: list[str] = []
    connection: Connection | None = None
    for line in old:
        if line.startswith(("B ", "A", "#!")):
            continue
        out.append(line)
        if not line.startswith("F "):
            continue
        words = tokens(line[2:])
        sent.append(line)
        if words[0] in ("Startup", "Login") or (words[0] == "Raw" and connection is None):
            connection = Connection(host, port)
        connection.socket.sendall(frontend(words, user, database))
        if words[0] in READ_AFTER:
            answers = connection.answers()
            for answer in [] if words[0] == "Login" else answers:
                answer = answer.replace(f'"{user}"', '"ana"').replace(f'"{database}"', '"lake"')
                out += [f"B {answer}"] + instead.get((tuple(sent), f"B {answer}"), [])
            sent = []
            if answers[-1] == "End":
                connection = None
    path.write_text("\n".join(out) + "\n")


def main() -> None:
    host, port, user, database = sys.argv[1:5]
    for path in [pathlib.Path(name) for name in sys.argv[5:]] or sorted(HERE.glob("*.txt")):
        record(path, host, int(port), user, database)


if __name__ == "__main__":
    main()
