import Diagnostics
import Foundation
import Testing

@testable import Storage

struct LocalStoreTests {
    /// A new folder that is removed afterwards.
    private func inFolder(_ body: (ObjectPath) async throws -> Void) async throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("apus-\(UUID().uuidString)").path
        defer { try? FileManager.default.removeItem(atPath: folder) }
        try await body(ObjectPath(file: folder))
    }

    @Test func keepsTheSuite() async throws {
        try await inFolder { try await StoreSuite(store: LocalStore(), root: $0).runAll() }
    }

    @Test func keepsTheSuiteBehindTheRouter() async throws {
        try await inFolder { try await StoreSuite(store: Stores(s3: S3Configuration()), root: $0).runAll() }
    }

    @Test func foldersAreNoFiles() async throws {
        try await inFolder { root in
            let store = LocalStore()
            try await store.write([Bytes("x")], to: root.appending("folder/file"))
            let read = await errorOf { () throws(SQLError) in
                try await store.read(0..<1, of: root.appending("folder"))
            }
            #expect(read?.state == .undefinedFile)
            #expect(read?.message.hasSuffix("Is a directory") == true)
            let below = await errorOf { () throws(SQLError) in
                try await store.read(0..<1, of: root.appending("folder/file/below"))
            }
            #expect(below?.state == .undefinedFile)
        }
    }

    @Test func linksAreFollowedButLoopsEnd() async throws {
        try await inFolder { root in
            let store = LocalStore()
            try await store.write([Bytes("x")], to: root.appending("real/file"))
            let files = FileManager.default
            try files.createSymbolicLink(
                atPath: root.appending("link").key, withDestinationPath: root.appending("real").key)
            try files.createSymbolicLink(
                atPath: root.appending("dangling").key, withDestinationPath: root.appending("nothing").key)
            try files.createSymbolicLink(atPath: root.appending("real/loop").key, withDestinationPath: root.key)
            #expect(
                try await store.list(root).map(\.path.text) == [
                    root.appending("link/file").text, root.appending("real/file").text,
                ])
        }
    }

    @Test func manyFilesStayOpenWithinBounds() async throws {
        try await inFolder { root in
            let store = LocalStore()
            for index in 0..<FileCache.filesMax + 50 {
                let path = root.appending("f\(index)")
                try await store.write([Bytes("\(index)")], to: path)
                #expect(try await store.readSuffix(10, of: path).bytes.text == "\(index)")
            }
            #expect(try await store.readSuffix(10, of: root.appending("f0")).bytes.text == "0")
        }
    }

    @Test func writersRaceForOneName() async throws {
        try await inFolder { root in
            let store = LocalStore()
            let path = root.appending("one")
            let winners = await withTaskGroup(of: Bool.self) { group in
                for index in 0..<20 {
                    group.addTask {
                        await errorOf { () throws(SQLError) in
                            try await store.write([Bytes("\(index)")], to: path, if: .ifAbsent)
                        } == nil
                    }
                }
                return await group.reduce(0) { $0 + ($1 ? 1 : 0) }
            }
            #expect(winners == 1)
            let left = try await store.list(root)
            #expect(left.count == 1)
        }
    }
}
