"""Makes small CSV and JSON files as people have them, good and bad ones.

Run: python3 Fixtures/text/make.py (needs PyPI zstandard). Writes beside itself.
"""
import gzip
import pathlib

import zstandard

HERE = pathlib.Path(__file__).parent


def write(path: str, text: str | bytes) -> None:
    place = HERE / path
    place.parent.mkdir(parents=True, exist_ok=True)
    data = text.encode() if isinstance(text, str) else text
    if path.endswith(".gz"):
        # Two members, as concatenated files have.
        half = data.index(b"\n") + 1
        data = gzip.compress(data[:half], mtime=0) + gzip.compress(data[half:], mtime=0)
    if path.endswith(".zst"):
        data = zstandard.ZstdCompressor().compress(data)
    place.write_bytes(data)


ORDERS = "".join(f'{n},{"" if n % 7 == 0 else n * 1.5},2026-01-{1 + n % 28:02},"a ""q"" {n}, b",{"true" if n % 3 else "false"}\n' for n in range(1, 6001))
HEAD = "id,price,day,note,ok\n"


def main() -> None:
    write("orders.csv.gz", HEAD + ORDERS)
    write("orders.csv.zst", HEAD + ORDERS)
    write("plain.csv", "\ufeff" + "a;b;c\r\n1;x;2024-01-02 03:04:05\r\n2;\"y;\r\nz\";\r\n;\"\";2024-01-02 03:04:06.5\r\n")
    write("nohead.csv", "1,x,0.5\n2,y,1e3\n\n3,,\n")
    write("tabs.tsv", "k\tv\n01\t10:11:12\n02\t23:59:59\n")
    write("single.csv", "n\n1\n\n3")
    write("names.csv", "A B,a b,,x\n1,2,3,4\n")
    write("bad_width.csv", "a,b\n" + "1,2\n" * 30 + "3\n" + "4,5\n" * 30)
    write("bad_quote.csv", 'a,b\n1,"x\n2,y\n')
    write("bad_value.csv", "a,b\n1,2\n2,3\nx,4\n")
    write("bad_utf8.csv", b"a,b\n1,\xff\xfe\n")
    write("bad.csv.gz", b"a\n1\n")
    (HERE / "bad.csv.gz").write_bytes((HERE / "bad.csv.gz").read_bytes()[:-12])
    write("empty.csv", "")
    write("hive/year=2025/a.csv", "id,v\n1,10\n2,20\n")
    write("hive/year=2026/a.csv", "v,id,extra\n30.5,3,new\n")
    write("hive/year=2026/_tmp.csv", "garbage\n")
    write("lines.json", '{"id":1,"name":"x","s":{"a":1,"t":["p","q"]},"at":"2024-01-02T03:04:05Z","day":"2024-01-02"}\n'
          '{"id":2.5,"name":null,"s":{"a":null,"b":"\\u00fc\\"n\\n"},"big":18446744073709551615}\n\n'
          ' {"id":3,"name":"z","mixed":1}\n{"id":4,"mixed":"w","Name":"other"}')
    write("array.json", '[\n  {"a": 1, "b": [1, 2.5]},\n  {"a": 2, "b": null}, {"b": []}\n]\n')
    write("loose.json", '{"a":1}{"a":2}\n  {\n"a":3}\n')
    write("values.json", "1\n2\n30\n")
    write("many.json.gz", "".join(f'{{"n":{n},"t":"text {n}","l":[{n},{n + 1}]}}\n' for n in range(5000)))
    write("bad_line.json", '{"a":1}\n{"a":2}\n{bad}\n{"a":4}\n')
    write("bad_type.json", '{"a":1}\n{"a":2}\n{"a":"x"}\n')
    write("cut.json", '[{"a":1},{"a":')
    write("drift/a.json", '{"id":1,"v":1}\n')
    write("drift/b.json", '{"id":2,"v":2.5,"w":"new"}\n')


if __name__ == "__main__":
    main()
