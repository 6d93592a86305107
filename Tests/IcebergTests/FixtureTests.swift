import Catalogs
import Columns
import Diagnostics
import Foundation
import Storage
import Testing

@testable import Iceberg

/// Tables of other writers read as they read them.
@Suite struct FixtureTests {
    @Test("every snapshot of every table has its expected rows")
    func snapshots() async throws {
        let index = try Lake.index()
        var compared = 0
        for expected in index.expected {
            let metadata = try #require(index.tables.first { $0.table == expected.table }).metadata
            let table: any WritableTable
            switch expected.ref {
            case .snapshot(let id): table = try await Lake.format.open(metadataLocation: metadata, at: .snapshot(id))
            case .named("current"): table = try await Lake.format.open(metadataLocation: metadata)
            case .named(let name): table = try await Lake.format.open(metadataLocation: metadata, at: .ref(name))
            }
            let rows = try Lake.csv(expected.file)
            let header = try #require(rows.first)
            if header == ["n", "s", "s2"] {
                try await sums(table, rows[1])
                compared += 1
                continue
            }
            // Flat columns that the table shows: a branch has the newest schema, where pyiceberg has the snapshot's.
            let shown = header.indices.filter { place in
                table.schema.fields.contains { $0.name == header[place] && $0.type != .unknown }
            }
            #expect(shown.count >= 1 && (shown.count == header.count || expected.table == "py.evo"))
            let names = shown.map { header[$0] }
            if case .named("dev") = expected.ref, names.contains("added") { continue }
            let lines = try await table.lines(named: names)
            #expect(
                lines
                    == rows.dropFirst().map { row in
                        shown.map { normal(row[$0], table.schema.fields, header[$0]) }.joined(separator: "|")
                    }.sorted(), "\(expected.file)")
            compared += 1
        }
        #expect(compared >= index.expected.count - 1)
    }

    private func normal(_ text: String, _ fields: [Field], _ name: String) -> String {
        guard let type = fields.first(where: { $0.name == name })?.type, type.isFloat, text != "\\N" else {
            return text
        }
        return Lake.text(Scalar(.float8, .double(type == .float4 ? Double(Float(text) ?? 0) : Double(text) ?? 0)))
    }

    private func sums(_ table: any Table, _ row: [String]) async throws {
        let ids = try await table.lines(named: ["id"]).compactMap { Int64($0) }
        #expect("\(ids.count)" == row[0])
        #expect("\(ids.reduce(0, +))" == row[1])
        #expect("\(ids.filter { $0 < 71000 }.reduce(0, +))" == row[2])
    }

    @Test("transforms match the vectors")
    func transforms() throws {
        var compared = 0
        for row in try Lake.csv("expected/transform_vectors.csv").dropFirst() {
            let (transform, source) = (Transform(row[0]), try IcebergType(.string(row[1])))
            var value: Scalar
            switch source {
            case .binary, .date, .time, .timestamp: value = .null(source.sqlType)
            default: value = try #require(try? TextParse.scalar(row[2], as: source.sqlType))
            }
            switch source {
            case .binary:
                let digits = Array(row[2])
                let bytes = stride(from: 0, to: digits.count, by: 2).map {
                    UInt8(String(digits[$0...$0 + 1]), radix: 16) ?? 0
                }
                value = Scalar(.bytea, .bytes(bytes))
            case .date, .time, .timestamp: value = Scalar(source.sqlType, .int(try #require(Int64(row[2]))))
            default: break
            }
            let made = try #require(transform.apply(value, source))
            let text = made.type == .date ? made.value : Scalar(.int8, made.value).value
            let shown: String
            if case .int(let number) = text { shown = "\(number)" } else { shown = made.outputText() ?? "" }
            #expect(shown == row[3], "\(row)")
            compared += 1
        }
        #expect(compared > 40)
    }

    @Test("hashes of the specification")
    func hashes() throws {
        func hash(_ value: Scalar, _ type: IcebergType) -> Int32? {
            Transform.hash(value, type).map { Int32(bitPattern: $0) }
        }
        #expect(hash(.int4(34), .int) == 2_017_239_379)
        #expect(hash(.text("iceberg"), .string) == 1_210_000_089)
        #expect(
            hash(Scalar(.decimal(precision: 9, scale: 2), .int128(1420)), .decimal(precision: 9, scale: 2))
                == -500_754_589)
        #expect(hash(Scalar(.date, .int(17486)), .date) == -653_330_422)
        #expect(hash(Scalar(.timestamp, .int(1_510_871_468_000_000)), .timestamp) == -2_047_944_441)
    }

    @Test("partition conditions prune files and keep the rows")
    func pruning() async throws {
        let index = try Lake.index()
        func open(_ name: String) async throws -> any WritableTable {
            let metadata = try #require(index.tables.first { $0.table == name }).metadata
            return try await Lake.format.open(metadataLocation: metadata)
        }
        for (name, column) in [
            ("py.p_day", "ts"), ("py.p_identity", "region"), ("py.p_bucket_long", "id"),
            ("py.p_truncate_dec", "amount"),
        ] {
            let table = try await open(name)
            let place = try #require(table.schema.index(of: column))
            let all = try await table.lines([place])
            #expect(Set(all.lines).count > 3)
            for line in Set(all.lines) where line != "\\N" {
                let value = try TextParse.scalar(line, as: table.schema.fields[place].type)
                let found = try await table.lines([place], where: [place: .equal(value)])
                #expect(found.lines.filter { $0 == line } == all.lines.filter { $0 == line }, "\(name) \(line)")
                #expect(found.report.filesPrunedByPartition > 0, "\(name) \(line)")
            }
            let nulls = try await table.lines([place], where: [place: .onlyNull])
            #expect(nulls.lines.filter { $0 == "\\N" } == all.lines.filter { $0 == "\\N" })
        }
    }

    @Test("hidden columns say where each row is")
    func places() async throws {
        let index = try Lake.index()
        let metadata = try #require(index.tables.first { $0.table == "duck.v3" }).metadata
        let table = try await Lake.format.open(metadataLocation: metadata)
        let count = table.schema.fields.count
        let rows = try await table.lines([count, count + 1]).lines
        #expect(rows.count == 162 && Set(rows).count == 162)
        #expect(rows.allSatisfy { $0.hasPrefix("s3://fixture/wh/duck/v3/data/") })
    }

    @Test("a field of a struct is read alone, whatever it was called when its file was written")
    func nested() async throws {
        let index = try Lake.index()
        let metadata = try #require(index.tables.first { $0.table == "py.evo" }).metadata
        let table = try await Lake.format.open(metadataLocation: metadata)
        let place = try #require(table.schema.index(of: "st"))
        let fields = try #require(table.schema.fields[place].type.rowFields)
        let whole = try await table.lines([place]).lines
        var texts: [String] = []
        for index in fields.indices {
            var request = ScanRequest(columns: [place])
            request.paths = [0: [index]]
            for task in try await table.scan(request).tasks {
                let source = try task.open(ScanContext())
                while let batch = try source.next() {
                    for row in 0..<batch.rows where batch.columns[0].isValid(row) {
                        texts.append("\(fields[index].name): \(Lake.text(batch.columns[0].scalar(row)))")
                    }
                }
            }
        }
        #expect(fields.map(\.name) == ["xx", "z"])
        #expect(
            texts.count { $0.hasPrefix("xx: ") } == whole.count { $0.contains("'xx': ") && !$0.contains("'xx': NULL") })
        #expect(texts.contains("z: 0.5"))
    }

    @Test("damaged files are errors that name the file")
    func damage() async throws {
        let index = try Lake.index()
        let metadata = try #require(index.tables.first { $0.table == "duck.v3" }).metadata
        let files = FileManager.default.enumerator(atPath: Lake.root + "/bucket/wh/duck/v3/metadata")?.allObjects ?? []
        let avro = try #require(files.compactMap { $0 as? String }.filter { $0.hasSuffix(".avro") }.sorted().first)
        let bytes = [UInt8](
            try Data(contentsOf: URL(fileURLWithPath: Lake.root + "/bucket/wh/duck/v3/metadata/" + avro)))
        var generator = SystemRandomNumberGenerator()
        for round in 0..<300 {
            var damaged = bytes
            if round % 3 == 0 {
                damaged.removeLast(Int.random(in: 1..<bytes.count, using: &generator))
            } else {
                for _ in 0..<Int.random(in: 1...4, using: &generator) {
                    damaged[Int.random(in: 0..<bytes.count, using: &generator)] = UInt8.random(
                        in: 0...255, using: &generator)
                }
            }
            do throws(SQLError) {
                let reader = try AvroReader(Bytes(damaged), path: "damaged.avro")
                try reader.forEach { (_) throws(Malformed) in }
            } catch {
                #expect(error.message.contains("damaged.avro") && error.state == .dataCorrupted)
            }
        }
        let read = try await MetadataFile.read(metadata, in: Lake.format.stores)
        #expect(JSON.object(read.raw)["format-version"]?.asInt == 3)
        #expect(throws: SQLError.self) { try MetadataFile.parse(Bytes("{\"format-version\":2}"), "x.json") }
        #expect(throws: SQLError.self) { try MetadataFile.parse(Bytes("[1"), "x.json") }
        #expect(throws: SQLError.self) { try MetadataFile.parse(Bytes([0x1f, 0x8b, 1]), "x.json") }
    }
}
