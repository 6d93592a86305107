// What other engines' commits do to a table's metadata: requirements, updates, and the way back from a difference.

import Catalogs
import Columns
import Diagnostics
import Testing

@testable import Iceberg

@Suite struct ClientCommitTests {
    private static func json(_ text: String) throws -> JSON { try JSON.parsing(request: Array(text.utf8)) }

    /// Applies updates to metadata.
    private static func apply(_ updates: [String], to base: TableMetadata?) throws -> TableMetadata {
        var applied = MetadataUpdates(base, now: 1_000)
        for update in updates { try applied.apply(try json(update)) }
        return try TableMetadata(try applied.finish(location: "/t"), file: "/t/metadata/x.json")
    }

    private static let column =
        #"{"action":"add-schema","schema":{"type":"struct","schema-id":0,"fields":[{"id":1,"name":"a","type":"int","required":false}]}}"#

    private static func snapshot(_ id: Int, sequence: Int, parent: Int? = nil, more: String = "") -> String {
        let parentText = parent.map { #""parent-snapshot-id":\#($0),"# } ?? ""
        return
            #"{"action":"add-snapshot","snapshot":{"snapshot-id":\#(id),\#(parentText)"sequence-number":\#(sequence),"#
            + #""timestamp-ms":\#(id),"manifest-list":"/t/\#(id).avro","summary":{"operation":"append"}\#(more)}}"#
    }

    private static func main(_ id: Int) -> String {
        #"{"action":"set-snapshot-ref","ref-name":"main","type":"branch","snapshot-id":\#(id)}"#
    }

    @Test("snapshots come, go, and leave a log without gaps")
    func snapshots() throws {
        let empty = try Self.apply([Self.column], to: nil)
        #expect(empty.currentSnapshotID == nil)
        #expect(empty.location == "/t")
        let three = try Self.apply(
            [
                Self.snapshot(11, sequence: 1), Self.main(11), Self.snapshot(12, sequence: 2, parent: 11),
                Self.main(12),
                Self.snapshot(13, sequence: 3, parent: 12), Self.main(13),
                #"{"action":"set-snapshot-ref","ref-name":"old","type":"tag","snapshot-id":11}"#,
            ], to: empty)
        #expect(three.currentSnapshotID == 13)
        #expect(three.lastSequenceNumber == 3)
        #expect(three.refs["old"] == SnapshotRef(snapshotID: 11, isTag: true))
        #expect(try three.snapshotID(at: 12) == 12)
        let two = try Self.apply([#"{"action":"remove-snapshots","snapshot-ids":[12]}"#], to: three)
        #expect(Set(two.snapshots.keys) == [11, 13])
        #expect(two.raw["snapshot-log"]?.asArray?.count == 1)
        #expect(two.refs["old"] != nil)
        let one = try Self.apply([#"{"action":"remove-snapshots","snapshot-ids":[11]}"#], to: two)
        #expect(one.refs["old"] == nil)
        let none = try Self.apply([#"{"action":"remove-snapshot-ref","ref-name":"main"}"#], to: one)
        #expect(none.currentSnapshotID == nil)
    }

    @Test("snapshots over an older state are conflicts, impossible ones are refused")
    func stale() throws {
        let table = try Self.apply([Self.column, Self.snapshot(11, sequence: 1), Self.main(11)], to: nil)
        func state(_ updates: [String], over base: TableMetadata) -> String? {
            do { _ = try Self.apply(updates, to: base) } catch { return (error as? SQLError)?.state.code }
            return nil
        }
        #expect(state([Self.snapshot(12, sequence: 1, parent: 11)], over: table) == "40001")
        #expect(state([Self.snapshot(11, sequence: 2, parent: 11)], over: table) == "22023")
        #expect(state([Self.snapshot(12, sequence: 2, parent: 11)], over: table) == nil)
        let third = try Self.apply([#"{"action":"upgrade-format-version","format-version":3}"#], to: table)
        let rows = try Self.apply(
            [Self.snapshot(12, sequence: 2, parent: 11, more: #","first-row-id":0,"added-rows":10"#)], to: third)
        #expect(rows.nextRowID == 10)
        let behind = Self.snapshot(13, sequence: 3, parent: 12, more: #","first-row-id":5,"added-rows":1"#)
        #expect(state([behind], over: rows) == "40001")
        #expect(state([#"{"action":"remove-schemas","schema-ids":[0]}"#], over: table) == "22023")
        #expect(state([#"{"action":"set-default-spec","spec-id":-1}"#], over: table) == "22023")
        let spec = #"{"action":"add-spec","spec":{"fields":[{"source-id":9,"name":"x","transform":"identity"}]}}"#
        #expect(state([spec], over: table) == "22023")
    }

    @Test("ids of specs and their fields are kept for equal ones")
    func specs() throws {
        func spec(_ name: String, _ transform: String) -> String {
            #"{"action":"add-spec","spec":{"spec-id":7,"fields":[{"source-id":1,"name":"\#(name)","transform":"\#(transform)"}]}}"#
        }
        let choose = #"{"action":"set-default-spec","spec-id":-1}"#
        let table = try Self.apply([Self.column, spec("a", "identity"), choose], to: nil)
        #expect(table.defaultSpec.fields.map(\.fieldID) == [1000])
        let other = try Self.apply([spec("b", "bucket[4]"), choose], to: table)
        #expect(other.defaultSpec.fields.map(\.fieldID) == [1001])
        let back = try Self.apply([spec("a", "identity"), choose], to: other)
        #expect(back.defaultSpec.id == table.defaultSpec.id)
        #expect(back.specs.count == other.specs.count)
    }

    @Test("nested columns get ids of ours, level by level")
    func freshIDs() throws {
        let schema = try Self.json(
            #"""
            {"type":"struct","fields":[
            {"id":70,"name":"m","required":false,"type":{"type":"map","key-id":71,"key":"string","value-id":72,
             "value-required":false,"value":{"type":"struct","fields":[{"id":73,"name":"x","type":"int","required":false}]}}},
            {"id":80,"name":"b","required":false,"type":"long"}],"identifier-field-ids":[80]}
            """#)
        let (made, ids) = try FreshIDs.assign(schema)
        #expect(ids == [70: 1, 80: 2, 71: 3, 72: 4, 73: 5])
        #expect(made["identifier-field-ids"]?.asArray == [.int(2)])
        #expect(FreshIDs.largest(in: made) == 5)
    }

    @Test("what SQL says of a column goes along when another engine renames it")
    func properties() async throws {
        let warehouse = try Warehouse()
        let made = try await warehouse.create([Field("a", .varchar(10)), Field("b", .text)])
        var fields = try #require(
            await warehouse.format.document(of: made)["schemas"]?.asArray?.first?["fields"]?.asArray)
        for (index, name) in ["c", "a"].enumerated() {
            var field = try #require(fields[index].asObject)
            field["name"] = .string(name)
            fields[index] = .object(field)
        }
        let renamed = try await warehouse.format.commit(
            requirements: [],
            updates: [
                ["action": .string("add-schema"), "schema": ["type": .string("struct"), "fields": .array(fields)]],
                ["action": .string("set-current-schema"), "schema-id": .int(-1)],
            ], onto: made, named: warehouse.name)
        let schema = try await warehouse.open(renamed).schema
        #expect(schema.fields.map(\.name) == ["c", "a"])
        #expect(schema.fields.map(\.type) == [.varchar(10), .text])
    }

    @Test("a difference, applied, gives the state it was taken from")
    func differences() async throws {
        let warehouse = try Warehouse()
        let format = warehouse.format
        var states = [
            try await warehouse.create(
                [Field("id", .int4), Field("s", .text)],
                partitioning: [PartitionField(column: "id", transform: .bucket(4))], properties: ["k": "v"])
        ]
        func last() -> ManagedDefinition { states[states.count - 1] }
        states.append(try await warehouse.change(last(), rows: (0..<50).map { [.int4(Int32($0)), .text("s\($0)")] }))
        states.append(try await format.alter(last(), named: warehouse.name, [.addColumn(Field("n", .int8))]))
        states.append(try await warehouse.change(last(), removing: { $0.hasPrefix("1") }))
        states.append(
            try await format.alter(
                last(), named: warehouse.name,
                [
                    .renameColumn(from: "s", to: "t"), .setType("id", .int8), .setPartitioning([]),
                    .setProperty("k", "w"), .setProperty("x", "y"),
                ]))
        states.append(try await format.alter(last(), named: warehouse.name, [.removeProperty("x")]))
        states.append(try await warehouse.change(last(), .replaceAll))
        states.append(try await format.alter(last(), named: warehouse.name, [.setProperty("format-version", "3")]))
        states.append(try await warehouse.change(last(), rows: [[.int8(1), .text("z"), .int8(2)]]))
        for first in -1..<states.count - 1 {
            let base = first < 0 ? nil : try await format.state(of: states[first])
            for second in max(0, first)..<states.count {
                let target = try await format.state(of: states[second])
                let difference = MetadataDifference(from: base, to: target)
                try MetadataRequirements.check(difference.requirements, base, "t")
                var applied = MetadataUpdates(base, now: 0)
                for update in difference.updates { try applied.apply(update) }
                let made = try TableMetadata(try applied.finish(location: ""), file: "")
                #expect(made.currentSchema.fields == target.currentSchema.fields, "\(first) to \(second)")
                #expect(made.defaultSpec.fields == target.defaultSpec.fields)
                #expect(made.properties == target.properties)
                #expect(made.currentSnapshotID == target.currentSnapshotID)
                #expect(Set(made.snapshots.keys) == Set(target.snapshots.keys))
                #expect(made.lastSequenceNumber == target.lastSequenceNumber)
                #expect(made.formatVersion == target.formatVersion)
                #expect(made.lastColumnID == target.lastColumnID)
                #expect(made.nextRowID == target.nextRowID)
                #expect(made.uuid == target.uuid && made.location == target.location)
            }
        }
    }
}
