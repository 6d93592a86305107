import Columns
import Diagnostics
import Storage
import Testing

@testable import Iceberg

@Suite struct AvroTests {
    @Test("sets of positions survive Roaring, whatever their shape")
    func positions() throws {
        let shapes: [[Int64]] = [
            [], [0], [65535, 65536, 1 << 33], Array(stride(from: 0, to: 300_000, by: 2)),
            Array(0..<5000), [7] + Array(1 << 32..<(1 << 32) + 10_000),
        ]
        for shape in shapes {
            var set = PositionSet()
            for position in shape.shuffled() { set.insert(position) }
            #expect(set.count == shape.count)
            let blob = DeletionVector.encode(set)
            let read = try blob.withUnsafeBytes { try DeletionVector.decode($0) }
            #expect(read.count == shape.count)
            var found: [Int64] = []
            read.forEach { found.append($0) }
            #expect(found == shape)
            for position in shape.prefix(100) { #expect(read.contains(position)) }
            #expect(!read.contains(1 << 40))
            for round in 0..<min(200, blob.count * 2) {
                var damaged = blob
                damaged[round % blob.count] ^= UInt8(1 << (round % 8))
                #expect(throws: Malformed.self) { try damaged.withUnsafeBytes { try DeletionVector.decode($0) } }
            }
        }
    }

    @Test("single values survive their bytes")
    func values() throws {
        let values: [(Scalar, IcebergType)] = [
            (.boolean(true), .boolean), (.int4(-5), .int), (.int8(Int64.min), .long),
            (Scalar(.float4, .double(1.5)), .float), (Scalar(.float8, .double(-0.0)), .double),
            (Scalar(.decimal(precision: 38, scale: 5), .int128(-1)), .decimal(precision: 38, scale: 5)),
            (Scalar(.decimal(precision: 9, scale: 3), .int128(128)), .decimal(precision: 9, scale: 3)),
            (Scalar(.date, .int(-1)), .date), (Scalar(.timestamptz, .int(99)), .timestamptz), (.text("é"), .string),
            (Scalar(.uuid, .int128(42)), .uuid), (Scalar(.bytea, .bytes([0, 255])), .binary),
        ]
        for (value, type) in values {
            let bytes = try #require(SingleValue.encode(value, type))
            #expect(SingleValue.decode(bytes, type) == value)
        }
        #expect(SingleValue.minimalBigEndian(1420) == [0x05, 0x8c])
        #expect(SingleValue.minimalBigEndian(-1) == [0xff])
        #expect(SingleValue.minimalBigEndian(128) == [0, 0x80])
        #expect(SingleValue.fixedBytes(precision: 9) == 4 && SingleValue.fixedBytes(precision: 38) == 16)
    }

    @Test("JSON keeps what it does not understand")
    func json() throws {
        let text = #"{"b":1,"a":[1.50,12345678901234567890,{"x":null}],"s":"\u00e9\n\"\ud83d\ude00","t":true}"#
        var object = try #require(try JSON(parsing: text).asObject)
        object["b"] = .int(2)
        #expect(
            JSON.object(object).text
                == "{\"b\":2,\"a\":[1.50,12345678901234567890,{\"x\":null}],\"s\":\"é\\n\\\"😀\",\"t\":true}")
        for wrong in ["", "{", "[1,]", "{\"a\"}", "nul", "\"\\x\"", "1 2", String(repeating: "[", count: 5000)] {
            #expect(throws: Malformed.self) { try JSON(parsing: wrong) }
        }
    }
}
