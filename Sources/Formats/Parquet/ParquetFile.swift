// Opening Parquet files: one request for the footer, the whole file if it is small.

import Columns
public import Diagnostics
public import Storage

/// Reads footers of Parquet files.
public enum ParquetFile {
    /// Bytes from the end of a file that are read at first: most footers and page indexes fit.
    public static let suffixBytes = 64 << 10
    /// Files up to this size are read whole with the footer and kept, so that a scan needs no second request.
    public static let wholeBytesMax = 1 << 20
    /// A longer footer is taken for damage.
    public static let footerBytesMax = 512 << 20
    /// Magic, footer length, magic.
    private static let tailBytes = 8

    /// Reads the footer of a file; `info` as a listing gave it, so that the cache can be asked first;
    /// `onlyIfRoom`: see ``FooterCache/insert(_:onlyIfRoom:)``.
    public static func footer(
        of path: ObjectPath, in store: any ObjectStore, info: ObjectInfo? = nil, cache: FooterCache? = nil,
        onlyIfRoom: Bool = false, metrics: StoreMetrics? = nil
    ) async throws(SQLError) -> FileFooter {
        if let info, let kept = cache?.footer(for: info) { return kept }
        let (bytes, found) =
            if let info {
                try await store.readSuffix(firstBytes(info), of: info, metrics: metrics)
            } else {
                try await store.readSuffix(firstBytes(info), of: path, metrics: metrics)
            }
        let missing = try check(bytes, found, path)
        var metadata: Bytes?
        if let missing { metadata = try await store.read([missing], of: found, metrics: metrics).first }
        return try parse(bytes, found, info, metadata, path, cache, onlyIfRoom)
    }

    /// `footer` for worker threads.
    public static func footerBlocking(
        of path: ObjectPath, in store: any ObjectStore, info: ObjectInfo? = nil, cache: FooterCache? = nil,
        onlyIfRoom: Bool = false, metrics: StoreMetrics? = nil
    ) throws(SQLError) -> FileFooter {
        if let info, let kept = cache?.footer(for: info) { return kept }
        let (bytes, found) = try store.readSuffixBlocking(firstBytes(info), of: path, metrics: metrics)
        let missing = try check(bytes, found, path)
        var metadata: Bytes?
        if let missing { metadata = try store.readBlocking([missing], of: found, metrics: metrics).first }
        return try parse(bytes, found, info, metadata, path, cache, onlyIfRoom)
    }

    private static func firstBytes(_ info: ObjectInfo?) -> Int {
        if let info, info.sizeBytes <= Int64(wholeBytesMax) { return max(Int(info.sizeBytes), tailBytes) }
        return suffixBytes
    }

    /// Checks the end of the file; returns the range of the footer if it is not among the bytes read.
    private static func check(
        _ bytes: Bytes, _ info: ObjectInfo, _ path: ObjectPath
    ) throws(SQLError) -> Range<Int64>? {
        guard bytes.count >= tailBytes + 4 else {
            throw Damage("the file is too short (\(info.sizeBytes) bytes)").error(in: path)
        }
        let magic = bytes.base.loadUnaligned(fromByteOffset: bytes.count - 4, as: UInt32.self)
        let length = footerLength(bytes)
        withExtendedLifetime(bytes) {}
        if UInt32(littleEndian: magic) == 0x4552_4150 {
            throw Damage.unsupported("an encrypted footer").error(in: path)
        }
        guard UInt32(littleEndian: magic) == 0x3152_4150 else {
            throw Damage("the file does not end with \"PAR1\"", at: info.sizeBytes - 4).error(in: path)
        }
        guard length > 0, Int64(length) <= info.sizeBytes - 12, length <= footerBytesMax else {
            throw Damage("the footer has an invalid length of \(length) bytes", at: info.sizeBytes - 8).error(in: path)
        }
        if length + tailBytes <= bytes.count { return nil }
        let end = info.sizeBytes - Int64(tailBytes)
        return end - Int64(length)..<end
    }

    private static func footerLength(_ bytes: Bytes) -> Int {
        let stored = bytes.base.loadUnaligned(fromByteOffset: bytes.count - tailBytes, as: UInt32.self)
        return Int(UInt32(littleEndian: stored))
    }

    private static func parse(
        _ bytes: Bytes, _ found: ObjectInfo, _ listed: ObjectInfo?, _ more: Bytes?, _ path: ObjectPath,
        _ cache: FooterCache?, _ onlyIfRoom: Bool
    ) throws(SQLError) -> FileFooter {
        let whole = Int64(bytes.count) == found.sizeBytes ? bytes : nil
        let end = bytes.count - tailBytes
        let metadata = more ?? bytes.slice(end - footerLength(bytes)..<end)
        // A listing and a response may tell the age with different precision: the listing is what is asked again.
        var info = found
        if let listed, listed.sizeBytes == found.sizeBytes,
            listed.etag == nil || found.etag == nil || listed.etag == found.etag
        {
            info = listed
            info.etag = found.etag ?? listed.etag
        }
        do throws(Damage) {
            let footer = try FileFooter(metadata, info: info, contents: whole)
            cache?.insert(footer, onlyIfRoom: onlyIfRoom)
            return footer
        } catch {
            throw error.error(in: path)
        }
    }
}
