// What every object store must do. A new store is done when this suite is green for it.

import Diagnostics
import Foundation
import Storage
import Testing

/// Bytes that differ at every offset.
func pattern(_ count: Int, seed: UInt8 = 0) -> [UInt8] {
    (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ ($0 >> 8) &* 7) &+ seed }
}

/// The error that `body` throws, or nil.
func errorOf<T>(_ body: () async throws(SQLError) -> T) async -> SQLError? {
    do throws(SQLError) {
        _ = try await body()
        return nil
    } catch {
        return error
    }
}

struct StoreSuite {
    let store: any ObjectStore
    /// An empty folder to work in.
    let root: ObjectPath
    /// Ceph before 19 compares an entity tag with its quotes, so that If-Match never holds.
    var hasIfMatch = true

    func runAll() async throws {
        try await readsRanges()
        try await readsSuffixes()
        try await tellsWhatIsMissing()
        try await lists()
        try await keepsOddNames()
        try await writesUnderConditions()
        try await uploads()
        try await replaces()
        try await deletes()
        try await fetches()
        try await counts()
    }

    func readsRanges() async throws {
        let path = root.appending("ranges/data.bin")
        let content = pattern(100_000)
        let info = try await store.write([Bytes(Array(content[..<1000])), Bytes(Array(content[1000...]))], to: path)
        #expect(info.sizeBytes == 100_000)
        let ranges: [Range<Int64>] = [0..<10, 99_990..<100_000, 5..<5, 500..<70_000, 0..<100_000]
        let parts = try await store.read(ranges, of: path)
        #expect(parts.map(\.array) == ranges.map { Array(content[Int($0.lowerBound)..<Int($0.upperBound)]) })
        let blocking = await onThread { try store.readBlocking(ranges, of: path) }
        #expect(try blocking.get().map(\.array) == parts.map(\.array))
        #expect(try await store.read([], of: path).isEmpty)
        for range in [99_990..<100_001, 100_000..<100_001, 200_000..<200_001] as [Range<Int64>] {
            let error = await errorOf { () throws(SQLError) in try await store.read(range, of: path) }
            #expect(error?.state == .ioError, "\(range)")
        }
    }

    func readsSuffixes() async throws {
        let path = root.appending("suffix.bin")
        let content = pattern(5000, seed: 3)
        try await store.write([Bytes(content)], to: path)
        for count in [1, 8, 4999, 5000, 5001, 1 << 20] {
            let (bytes, info) = try await store.readSuffix(count, of: path)
            #expect(bytes.array == Array(content.suffix(count)), "\(count)")
            #expect(info.sizeBytes == 5000 && info.path == path)
        }
        let (nothing, info) = try await store.readSuffix(0, of: path)
        #expect(nothing.count == 0 && info.sizeBytes == 5000)
        let empty = root.appending("empty.bin")
        try await store.write([], to: empty)
        let (bytes, emptyInfo) = try await store.readSuffix(64, of: empty)
        #expect(bytes.count == 0 && emptyInfo.sizeBytes == 0)
        let head = try await store.head(path)
        #expect(head.sizeBytes == 5000 && head.etag == info.etag)
        #expect(abs(head.modified - Int64(Date().timeIntervalSince1970 * 1e6)) < 600_000_000)
    }

    func tellsWhatIsMissing() async throws {
        let path = root.appending("nowhere/nothing")
        let read = await errorOf { () throws(SQLError) in try await store.read(0..<1, of: path) }
        #expect(read?.state == .undefinedFile)
        #expect(read?.message == "could not open file \"\(path)\": No such file or directory")
        let suffix = await errorOf { () throws(SQLError) in try await store.readSuffix(8, of: path) }
        #expect(suffix?.state == .undefinedFile)
        let head = await errorOf { () throws(SQLError) in try await store.head(path) }
        #expect(head?.state == .undefinedFile)
    }

    func lists() async throws {
        let folder = root.appending("tree")
        let names = ["a.parquet", "b/c=1/x", "b/c=1/y", "b/c=2/x", "b.txt", "_hidden", ".dot/z"]
        for name in names { try await store.write([Bytes(name)], to: folder.appending(name)) }
        let all = try await store.list(folder)
        let expected = names.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
        #expect(all.map { String($0.path.relative(to: folder) ?? "?") } == expected)
        #expect(all.map(\.sizeBytes) == expected.map { Int64($0.utf8.count) })
        let (folders, objects) = try await store.listChildren(folder)
        #expect(folders.map(\.name) == [".dot", "b"])
        #expect(objects.map(\.path.name) == ["_hidden", "a.parquet", "b.txt"])
        #expect(try await store.listChildren(folder.appending("b")).folders.map(\.name) == ["c=1", "c=2"])
        #expect(try await store.list(folder.appending("b")).map(\.path.name) == ["x", "y", "x"])
        #expect(try await store.list(root.appending("none")).isEmpty)
        let none = try await store.listChildren(root.appending("none"))
        #expect(none.folders.isEmpty && none.objects.isEmpty)
    }

    func keepsOddNames() async throws {
        let folder = root.appending("odd names")
        let names = [
            "a b", "a+b", "a%20b", "k=v w/x=%2F/ü.bin", "q?x#y&z=1", "semi;colon,comma", "'quote'\"", "<tag>&amp;",
            "日本/語", "tilde~!*()@$:", "e\u{301}",
        ]
        for (index, name) in names.enumerated() {
            try await store.write([Bytes(pattern(index + 1))], to: folder.appending(name))
        }
        let found = try await store.list(folder)
        #expect(
            Set(found.compactMap { $0.path.relative(to: folder).map { Array($0.utf8) } })
                == Set(names.map { Array($0.utf8) }))
        for (index, name) in names.enumerated() {
            let bytes = try await store.readSuffix(100, of: folder.appending(name)).bytes
            #expect(bytes.count == index + 1, "\(name)")
            #expect(try await store.list(folder.appending(name).parent).count >= 1, "\(name)")
        }
        try await store.delete(found.map(\.path))
        #expect(try await store.list(folder).isEmpty)
    }

    func writesUnderConditions() async throws {
        let path = root.appending("conditions/head")
        let first = try await store.write([Bytes("one")], to: path, if: .ifAbsent)
        let twice = await errorOf { () throws(SQLError) in
            try await store.write([Bytes("two")], to: path, if: .ifAbsent)
        }
        #expect(twice?.state == .duplicateFile)
        #expect(try await store.read(0..<3, of: path).text == "one")
        guard hasIfMatch else { return }
        let etag = try #require(first.etag)
        let second = try await store.write([Bytes("three")], to: path, if: .ifMatch(etag))
        #expect(second.etag != etag)
        let stale = await errorOf { () throws(SQLError) in
            try await store.write([Bytes("four")], to: path, if: .ifMatch(etag))
        }
        #expect(stale?.state == .serializationFailure)
        #expect(try await store.readSuffix(10, of: path).bytes.text == "three")
    }

    func uploads() async throws {
        for size in [0, 5, 3 << 20, 17_000_001, 16 << 20] {
            let path = root.appending("uploads/\(size)")
            let content = pattern(size, seed: UInt8(size & 15))
            let made = await onThread { [store] in
                let upload = try store.upload(to: path)
                for start in stride(from: 0, to: size, by: 3_000_000) {
                    try upload.append([Bytes(Array(content[start..<min(start + 3_000_000, size)]))])
                }
                #expect(upload.sizeBytes == Int64(size))
                return try upload.complete(if: .ifAbsent)
            }
            let info = try made.get()
            #expect(info.sizeBytes == Int64(size))
            let (bytes, found) = try await store.readSuffix(32 << 20, of: path)
            #expect(bytes.array == content)
            #expect(found.etag == info.etag)
        }
        let path = root.appending("uploads/9")
        let listed = try await store.list(root.appending("uploads")).count
        for size in [10, 9_000_000] {
            let given = await onThread { [store] in
                let upload = try store.upload(to: path)
                try upload.append([Bytes(pattern(size))])
                upload.abort()
                upload.abort()
            }
            try given.get()
        }
        #expect(try await store.list(root.appending("uploads")).count == listed)
        for size in [10, 9_000_000] {
            let twice = await onThread { [store, root] in
                let upload = try store.upload(to: root.appending("uploads/5"))
                try upload.append([Bytes(pattern(size))])
                defer { upload.abort() }
                return try upload.complete(if: .ifAbsent)
            }
            guard case .failure(let error) = twice else {
                Issue.record("an object that exists was replaced")
                continue
            }
            #expect((error as? SQLError)?.state == .duplicateFile)
        }
        #expect(try await store.readSuffix(9, of: root.appending("uploads/5")).bytes.count == 5)
    }

    func replaces() async throws {
        let path = root.appending("replaced")
        try await store.write([Bytes("before")], to: path)
        #expect(try await store.read(0..<6, of: path).text == "before")
        try await store.write([Bytes("AFTER!")], to: path)
        #expect(try await store.read(0..<6, of: path).text == "AFTER!")
        try await store.write([Bytes("longer than before")], to: path)
        #expect(try await store.readSuffix(6, of: path).bytes.text == "before")
    }

    func deletes() async throws {
        let folder = root.appending("deleted")
        let paths = (0..<50).map { folder.appending("o\($0)") }
        for path in paths { try await store.write([Bytes("x")], to: path) }
        try await store.delete(paths + [folder.appending("never")])
        #expect(try await store.list(folder).isEmpty)
    }

    func fetches() async throws {
        let path = root.appending("fetched.bin")
        let content = pattern(3 << 20)
        try await store.write([Bytes(content)], to: path)
        let ranges: [Range<Int64>] = [
            0..<100, 200..<300, 2_000_000..<2_100_000, 3_000_000..<3_145_728, 250..<280, 2_050_000..<2_060_000,
        ]
        let fetch = RangeFetch(store, of: try await store.head(path), ranges: ranges)
        #expect(fetch.requests.count <= 3)
        fetch.start()
        let results = await onThread {
            var parts: [[UInt8]] = []
            for range in ranges.reversed() { parts.append(try fetch.slice(range).array) }
            return parts
        }
        #expect(try results.get() == ranges.reversed().map { Array(content[Int($0.lowerBound)..<Int($0.upperBound)]) })
        #expect(ranges.allSatisfy { fetch.isReady($0) })
        fetch.cancel()
        let after = await onThread { try fetch.bytes(for: 0..<100).bytes.count }
        #expect(throws: SQLError.self) { try after.get() }
    }

    func counts() async throws {
        let path = root.appending("counted")
        try await store.write([Bytes(pattern(1000))], to: path)
        let metrics = StoreMetrics()
        _ = try await store.read([0..<100, 500..<600], of: path, metrics: metrics)
        _ = try await store.readSuffix(50, of: path, metrics: metrics)
        _ = try await store.listChildren(root, metrics: metrics)
        let counters = metrics.counters
        #expect(counters.bytesRead == 250)
        #expect(counters.requests >= 3 && counters.lists == 1 && counters.retries == 0)
    }
}

/// Runs blocking work where it may block.
func onThread<T: Sendable>(_ body: @escaping @Sendable () throws -> T) async -> Result<T, any Error> {
    await withCheckedContinuation { continuation in
        Thread { continuation.resume(returning: Result { try body() }) }.start()
    }
}
