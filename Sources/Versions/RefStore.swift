// The lowest step of the versioned catalog: immutable objects by hash, and one compare-and-swap of a ref.
import Catalogs
import Crypto
import Diagnostics
import Foundation

/// The SHA-256 of an object's bytes.
struct ObjectID: Hashable, Sendable, Codable {
    /// 64 lower-case hexadecimal digits.
    let hex: String

    init(hex: String) { self.hex = hex }

    /// Hashes an object's bytes.
    init(of bytes: Data) {
        hex = SHA256.hash(data: bytes).map { byte in
            let digits = String(byte, radix: 16)
            return byte < 16 ? "0" + digits : digits
        }.joined()
    }

    init(from decoder: any Decoder) throws { hex = try decoder.singleValueContainer().decode(String.self) }

    func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(hex)
    }
}

/// A named ref as the store keeps it.
struct StoredRef: Hashable, Sendable {
    var kind: NamedRef.Kind
    var name: String
    var head: ObjectID
    /// Microseconds since 1970 UTC.
    var createdAt: Int64
    var options: RefOptions
}

/// Keeps objects and refs. Objects are written before the ref that reaches them: a crash between the two leaves
/// garbage, never a hole.
protocol RefStore: Sendable {
    /// Returns those of the objects that exist.
    func objects(_ ids: [ObjectID]) async throws(SQLError) -> [ObjectID: Data]
    /// Writes objects and moves a ref in one transaction. `from` nil: the ref must not exist; `to` nil: it is removed.
    /// Returns false, and writes nothing, when the ref is not at `from`.
    /// Options are kept when a ref moves, and start empty when it is made.
    func swap(
        _ kind: NamedRef.Kind, _ name: String, from: ObjectID?, to: ObjectID?, writing objects: [ObjectID: Data],
        at time: Int64
    ) async throws(SQLError) -> Bool
    /// Writes objects that no ref reaches yet.
    func store(_ objects: [ObjectID: Data], commit: ObjectID) async throws(SQLError)
    /// Returns false when there is no such ref.
    func setOptions(_ options: RefOptions, of kind: NamedRef.Kind, _ name: String) async throws(SQLError) -> Bool
    /// Returns false, and changes nothing, when the new name is taken or the old one does not exist.
    func rename(_ kind: NamedRef.Kind, _ name: String, to newName: String) async throws(SQLError) -> Bool
    func ref(_ kind: NamedRef.Kind, _ name: String) async throws(SQLError) -> StoredRef?
    func refs() async throws(SQLError) -> [StoredRef]
    /// Returns the commits whose hash begins with these hexadecimal digits, two at most.
    func commits(startingWith prefix: String) async throws(SQLError) -> [ObjectID]
}
