import Catalogs
import Columns
import Diagnostics
import Foundation
import Storage
import Testing

@testable import Iceberg

/// Random changes, compared with a dictionary after each.
@Suite struct ModelTests {
    struct Generator: RandomNumberGenerator {
        var state: UInt64
        mutating func next() -> UInt64 {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return (state ^ state >> 29) &* 0x9e37_79b9_7f4a_7c15
        }
    }

    static let columns = [Field("id", .int8, isNullable: false), Field("v", .text)]

    static func rows(_ model: [Int64: String]) -> [[Scalar]] { model.map { [.int8($0.key), .text($0.value)] } }
    static func lines(_ model: [Int64: String]) -> [String] { model.map { "\($0.key)|\($0.value)" }.sorted() }

    /// One change of a model and of a table: some ids go, some are changed, some come.
    private func step(
        _ house: Warehouse, _ table: ManagedDefinition, _ model: [Int64: String], _ next: inout Int64,
        _ generator: inout Generator
    ) async throws -> (write: any TableWrite, model: [Int64: String], touched: Set<Int64>) {
        var after = model
        var touched: Set<Int64> = []
        var added: [Int64: String] = [:]
        let kind = Int.random(in: 0..<4, using: &generator)
        if kind != 1 {
            for _ in 0..<Int.random(in: 1...60, using: &generator) {
                added[next] = "v\(Int.random(in: 0..<1000, using: &generator))"
                next += 1
            }
        }
        if kind != 0 {
            let share = [0.02, 0.3, 0.95][Int.random(in: 0..<3, using: &generator)]
            for id in model.keys.sorted() where Double.random(in: 0..<1, using: &generator) < share {
                touched.insert(id)
                after[id] = nil
                if kind == 3 { added[id] = "u\(Int.random(in: 0..<1000, using: &generator))" }
            }
        }
        after.merge(added) { _, new in new }
        let gone = touched
        let write = try await house.write(table, rows: Self.rows(added)) { line in
            line.split(separator: "|").first.flatMap { Int64($0) }.map { gone.contains($0) } ?? false
        }
        return (write, after, touched)
    }

    @Test("changes one after the other", arguments: [UInt64(1), 2, 3, 4])
    func sequence(seed: UInt64) async throws {
        var generator = Generator(state: seed)
        let house = try Warehouse()
        var properties = ["format-version": seed % 2 == 0 ? "3" : "2"]
        if seed == 3 { properties["write.delete.mode"] = "merge-on-read" }
        properties["commit.manifest.min-count-to-merge"] = "6"
        let partitioning = seed < 3 ? [] : [PartitionField(column: "id", transform: .bucket(3))]
        var table = try await house.create(Self.columns, partitioning: partitioning, properties: properties)
        var model: [Int64: String] = [:]
        var next: Int64 = 0
        for round in 0..<25 {
            let made = try await step(house, table, model, &next, &generator)
            table = try await made.write.commit(onto: table)
            model = made.model
            #expect(try await house.lines(table) == Self.lines(model), "seed \(seed) round \(round)")
            let statistics = try await house.open(table).statistics
            #expect(statistics.rows == Double(model.count), "seed \(seed) round \(round)")
        }
    }

    @Test(
        "changes at one time: replayed if they touch other rows, refused if not", arguments: [UInt64(11), 12, 13, 14])
    func concurrency(seed: UInt64) async throws {
        var generator = Generator(state: seed)
        let house = try Warehouse()
        var table = try await house.create(Self.columns, properties: ["format-version": seed % 2 == 0 ? "3" : "2"])
        var model: [Int64: String] = [:]
        var next: Int64 = 0
        for round in 0..<15 {
            let first = try await step(house, table, model, &next, &generator)
            let second = try await step(house, table, model, &next, &generator)
            let one = try await first.write.commit(onto: table)
            let isApart = first.touched.isDisjoint(with: second.touched)
            do throws(SQLError) {
                table = try await second.write.commit(onto: one)
                #expect(isApart, "seed \(seed) round \(round)")
                // Both changes, made over the same rows.
                var both = first.model
                for id in second.touched { both[id] = nil }
                for (id, value) in second.model where model[id] != value || second.touched.contains(id) {
                    both[id] = value
                }
                model = both
            } catch {
                #expect(error.state == .serializationFailure)
                await second.write.abandon()
                table = one
                model = first.model
            }
            #expect(try await house.lines(table) == Self.lines(model), "seed \(seed) round \(round)")
        }
    }

    @Test("branches of a table: merged if they touch other rows", arguments: [UInt64(21), 22, 23, 24])
    func merges(seed: UInt64) async throws {
        var generator = Generator(state: seed)
        let house = try Warehouse()
        var table = try await house.create(Self.columns, properties: ["format-version": seed % 2 == 0 ? "3" : "2"])
        var model: [Int64: String] = [:]
        var next: Int64 = 0
        for round in 0..<12 {
            var sides: [(table: ManagedDefinition, model: [Int64: String], touched: Set<Int64>)] = []
            for _ in 0..<2 {
                var side = (table: table, model: model, touched: Set<Int64>())
                for _ in 0..<Int.random(in: 1...3, using: &generator) {
                    let made = try await step(house, side.table, side.model, &next, &generator)
                    side = (try await made.write.commit(onto: side.table), made.model, side.touched.union(made.touched))
                }
                sides.append(side)
            }
            do throws(SQLError) {
                let merged = try await house.format.merge(
                    base: table, source: sides[0].table, target: sides[1].table, named: house.name)
                let known = Set(model.keys)
                #expect(sides[0].touched.intersection(known).isDisjoint(with: sides[1].touched))
                var both = sides[1].model
                for id in sides[0].touched { both[id] = nil }
                for (id, value) in sides[0].model where model[id] != value || sides[0].touched.contains(id) {
                    both[id] = value
                }
                model = both
                table = merged
            } catch {
                #expect(error.state == .serializationFailure)
                table = sides[1].table
                model = sides[1].model
            }
            #expect(try await house.lines(table) == Self.lines(model), "seed \(seed) round \(round)")
        }
    }
}
