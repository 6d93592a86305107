import Diagnostics
import Testing

@testable import Storage

struct ObjectPathTests {
    @Test func parses() throws {
        let s3 = try ObjectPath("s3://bucket/a/b=1/c.parquet")
        #expect(s3.scheme == .s3 && s3.bucket == "bucket" && s3.key == "a/b=1/c.parquet")
        #expect(try ObjectPath("s3a://bucket/a") == ObjectPath("S3://bucket/a"))
        #expect(try ObjectPath("s3://bucket").key == "")
        #expect(try ObjectPath("s3://bucket//a").key == "/a")
        #expect(try ObjectPath("file:///x/y").key == "/x/y")
        #expect(try ObjectPath("file://localhost/x").key == "/x")
        #expect(try ObjectPath("/x//y/./z").key == "/x/y/z")
        #expect(try ObjectPath("./rel/path").key == "rel/path")
        #expect(try ObjectPath("odd:name").key == "odd:name")
        for text in ["", "s3://", "s3:///key", "s3://b?c/key", "s3://u@h/key", "file://host/x", "file://", "a\0b"] {
            #expect(throws: SQLError.self, "\(text)") { try ObjectPath(text) }
        }
        #expect { try ObjectPath("gs://b/k") } throws: { ($0 as? SQLError)?.state == .featureNotSupported }
    }

    @Test func walks() throws {
        let path = try ObjectPath("s3://b/x/y/z")
        #expect(path.name == "z" && path.parent.text == "s3://b/x/y" && path.parent.parent.parent.text == "s3://b/")
        #expect(path.parent.appending("w") == (try ObjectPath("s3://b/x/y/w")))
        #expect(try ObjectPath("s3://b").appending("k").text == "s3://b/k")
        #expect(try ObjectPath("s3://b/x/").appending("k").text == "s3://b/x/k")
        #expect(try ObjectPath("/a").parent.text == "/")
        #expect(try ObjectPath("/").parent.text == "/")
        #expect(try ObjectPath("a").parent.text == ".")
        #expect(try ObjectPath("/").appending("a").text == "/a")
        #expect(path.relative(to: try ObjectPath("s3://b/x")) == "y/z")
        #expect(path.relative(to: try ObjectPath("s3://c/x")) == nil)
        #expect(path.relative(to: try ObjectPath("s3://b/xy")) == nil)
    }

    @Test func bytesAreShared() throws {
        let bytes = Bytes(Array(0..<100))
        let slice = bytes.slice(10..<20)
        #expect(slice.array == Array(10..<20) && slice.base == bytes.base + 10)
        #expect(slice.slice(5..<8).array == [15, 16, 17])
        #expect(bytes.slice(90..<200).count == 10 && bytes.slice(200..<300).count == 0)
        #expect(throws: SQLError.self) { try Bytes(capacity: -1) { _ in 0 } }
        #expect(throws: SQLError.self) { try Bytes(capacity: .max) { _ in 0 } }
        #expect(throws: SQLError.self) { try Bytes(capacity: 4) { _ in 5 } }
    }
}
