// Roles and rights in both stores: records with a version, swapped like a ref.
import Catalogs
import Diagnostics
import Foundation
import Testing

@testable import Versions

@Suite struct AccessRecordsTests {
    @Test(
        "records are put by whoever knows the newest version, and read as they changed", arguments: StoreKind.allCases)
    func records(kind: StoreKind) async throws {
        let stores = try TestStore(kind)
        let (first, second) = (try await stores.catalog(), try await stores.catalog())
        #expect(try await first.accessRecords(since: 0).records.isEmpty)
        let (a, b) = (Data("a".utf8), Data("b".utf8))
        #expect(try await first.putAccessRecords(["role/1": a, "object/x/y": b], expecting: 0))
        // The other server knows an older version.
        #expect(try await !second.putAccessRecords(["role/2": b], expecting: 0))
        var seen = try await second.accessRecords(since: 0)
        #expect(seen.version == 1 && seen.records == ["role/1": a, "object/x/y": b])
        #expect(try await second.putAccessRecords(["role/1": nil, "role/2": b], expecting: 1))
        seen = try await first.accessRecords(since: 1)
        #expect(seen.version == 2 && seen.records == ["role/1": nil, "role/2": b])
        #expect(try await first.accessRecords(since: 2).records.isEmpty)
        // A removed record stays one that has changed: whoever comes late must learn of it.
        #expect(try await first.accessRecords(since: 0).records.count == 3)
    }
}
