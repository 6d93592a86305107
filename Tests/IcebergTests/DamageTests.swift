import Catalogs
import Columns
import Diagnostics
import Foundation
import Storage
import Synchronization
import Testing

@testable import Iceberg

/// Gives damaged bytes of one file.
private struct DamagingStore: ObjectStore {
    let inner: any ObjectStore
    let name: String
    /// Bytes to change: places as shares of the file, and what is put there.
    let changes: [(share: Double, byte: UInt8)]

    private func damaged(_ bytes: Bytes, _ path: ObjectPath) -> Bytes {
        guard path.name == name, bytes.count > 0 else { return bytes }
        var array = bytes.array
        for change in changes { array[min(array.count - 1, Int(change.share * Double(array.count)))] = change.byte }
        return Bytes(array)
    }
    func read(
        _ ranges: [Range<Int64>], of path: ObjectPath, metrics: StoreMetrics?, then done: @escaping Done<[Bytes]>
    ) {
        inner.read(ranges, of: path, metrics: metrics) { result in done(result.map { $0.map { damaged($0, path) } }) }
    }
    func readSuffix(
        _ bytesMax: Int, of path: ObjectPath, metrics: StoreMetrics?,
        then done: @escaping Done<(bytes: Bytes, info: ObjectInfo)>
    ) {
        inner.readSuffix(bytesMax, of: path, metrics: metrics) { result in
            done(result.map { (damaged($0.bytes, path), $0.info) })
        }
    }
    func write(
        _ parts: [Bytes], to path: ObjectPath, if precondition: Precondition, metrics: StoreMetrics?,
        then done: @escaping Done<ObjectInfo>
    ) { inner.write(parts, to: path, if: precondition, metrics: metrics, then: done) }
    func list(_ folder: ObjectPath, metrics: StoreMetrics?) async throws(SQLError) -> [ObjectInfo] {
        try await inner.list(folder, metrics: metrics)
    }
    func listChildren(
        _ folder: ObjectPath, metrics: StoreMetrics?
    ) async throws(SQLError) -> (folders: [ObjectPath], objects: [ObjectInfo]) {
        try await inner.listChildren(folder, metrics: metrics)
    }
    func head(_ path: ObjectPath, metrics: StoreMetrics?) async throws(SQLError) -> ObjectInfo {
        try await inner.head(path, metrics: metrics)
    }
    func delete(_ paths: [ObjectPath], metrics: StoreMetrics?) async throws(SQLError) {}
    func fetchPolicy(for path: ObjectPath) -> FetchPolicy { .local }
}

@Suite struct DamageTests {
    @Test("damage anywhere gives rows or an error", arguments: ["duck.v3", "duck.part3", "py.eqdel", "py.v1tab"])
    func anywhere(name: String) async throws {
        var generator = ModelTests.Generator(state: UInt64(name.utf8.reduce(7) { $0 &* 31 &+ Int($1) }))
        let metadata = try #require(try Lake.index().tables.first { $0.table == name }).metadata
        let root = Lake.root + "/bucket/wh/" + name.replacingOccurrences(of: ".", with: "/")
        let files = (FileManager.default.enumerator(atPath: root)?.allObjects ?? []).compactMap { $0 as? String }
            .filter { $0.hasSuffix(".avro") || $0.hasSuffix(".json") || $0.hasSuffix(".puffin") }.sorted()
        #expect(files.count > 3)
        for _ in 0..<120 {
            let file = files[Int.random(in: 0..<files.count, using: &generator)]
            var changes: [(share: Double, byte: UInt8)] = []
            for _ in 0..<Int.random(in: 1...3, using: &generator) {
                changes.append(
                    (Double.random(in: 0..<1, using: &generator), UInt8.random(in: 0...255, using: &generator)))
            }
            let store = DamagingStore(
                inner: BucketStore(bucket: "fixture", folder: Lake.root + "/bucket"),
                name: String(file.split(separator: "/").last ?? ""), changes: changes)
            let format = IcebergFormat(stores: store, warehouse: "")
            do {
                let table = try await format.open(metadataLocation: metadata)
                let columns = table.schema.fields.indices.filter { table.schema.fields[$0].type != .unknown }
                _ = try await table.lines(columns)
            } catch let error as SQLError {
                #expect(!error.message.isEmpty)
            }
        }
    }

    @Test("missing files are errors that name the file")
    func missing() async throws {
        let house = try Warehouse()
        let table = try await house.change(try await house.create(WriteTests.columns), rows: WriteTests.rows(0..<5))
        for kind in [".parquet", ".avro", ".json"] {
            let error = await errorOf {
                let fresh = IcebergFormat(stores: LocalStore(), warehouse: house.scratch.path)
                for file in house.files where file.hasSuffix(kind) {
                    try FileManager.default.removeItem(atPath: house.scratch.path + "/" + file)
                }
                let opened = try await fresh.open(table, named: house.name)
                _ = try await opened.lines([0])
            }
            #expect(error?.state == .undefinedFile && error?.message.contains(kind) == true)
        }
    }
}
