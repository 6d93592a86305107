// What tests of writing share: tables in scratch folders, rows out of literals, and rows to remove by their values.

import Catalogs
import Columns
import Diagnostics
import Foundation
import Storage
import Testing

@testable import Iceberg

/// A warehouse of its own.
struct Warehouse: Sendable {
    let scratch: Scratch
    let format: IcebergFormat
    let name = TableName(schema: "s", name: "t")

    init() throws {
        scratch = try Scratch()
        format = IcebergFormat(stores: LocalStore(), warehouse: scratch.path)
    }

    func create(
        _ columns: [Field], partitioning: [PartitionField] = [], properties: [String: String] = [:]
    ) async throws -> ManagedDefinition {
        try await format.create(
            NewTable(name: name, columns: columns, partitioning: partitioning, properties: properties))
    }

    func open(_ definition: ManagedDefinition) async throws -> any WritableTable {
        try await format.open(definition, named: name)
    }

    /// Begins a write and ends its sink.
    func write(
        _ definition: ManagedDefinition, _ kind: WriteKind = .change, rows: [[Scalar]] = [],
        removing isRemoved: (@Sendable (String) -> Bool)? = nil
    ) async throws -> any TableWrite {
        let table = try await open(definition)
        var places: [(String, Int64)] = []
        if let isRemoved { places = try await table.places(where: isRemoved) }
        let write = table.write(kind)
        let types = table.schema.fields.map(\.type)
        try await onThread { [places] () throws(SQLError) in
            let sink = try write.sink()
            for start in stride(from: 0, to: rows.count, by: 1000) {
                try sink.append(batch(Array(rows[start..<min(start + 1000, rows.count)]), types))
            }
            if !places.isEmpty {
                try sink.remove(batch(places.map { [.text($0.0), .int8($0.1)] }, [.text, .int8]))
            }
            try sink.finish()
        }
        return write
    }

    /// Writes and commits.
    func change(
        _ definition: ManagedDefinition, _ kind: WriteKind = .change, rows: [[Scalar]] = [],
        removing isRemoved: (@Sendable (String) -> Bool)? = nil
    ) async throws -> ManagedDefinition {
        try await write(definition, kind, rows: rows, removing: isRemoved).commit(onto: definition)
    }

    /// All rows.
    func lines(_ definition: ManagedDefinition) async throws -> [String] {
        let table = try await open(definition)
        return try await table.lines(Array(table.schema.fields.indices)).lines
    }

    var files: [String] {
        (FileManager.default.enumerator(atPath: scratch.path)?.allObjects ?? []).compactMap { $0 as? String }
            .filter { $0.contains(".") && !$0.hasSuffix("/") && $0.split(separator: "/").last?.contains(".") == true }
    }
}

func batch(_ rows: [[Scalar]], _ types: [SQLType]) -> Batch {
    let columns = types.enumerated().map { index, type in
        let builder = ColumnBuilder(type, capacity: max(1, rows.count))
        for row in rows { builder.append(row[index]) }
        return builder.finish()
    }
    return Batch(columns, rows: rows.count)
}

extension Table {
    /// The places of rows whose line passes.
    func places(where isTaken: @Sendable (String) -> Bool) async throws -> [(String, Int64)] {
        let count = schema.fields.count
        let plan = try await scan(ScanRequest(columns: Array(0..<count + 2)))
        let rows = try await onThread { () throws(SQLError) -> [[String]] in
            var rows: [[String]] = []
            for task in plan.tasks {
                let source = try task.open(ScanContext())
                while let batch = try source.next() {
                    for row in 0..<batch.rows { rows.append(batch.columns.map { Lake.text($0.scalar(row)) }) }
                }
            }
            return rows
        }
        return rows.filter { isTaken($0.prefix(count).joined(separator: "|")) }.map {
            ($0[count], Int64($0[count + 1]) ?? -1)
        }
    }
}
