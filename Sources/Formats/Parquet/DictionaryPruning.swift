// Dictionaries as lists of all values of a column chunk: where every data page refers to one, a row group without the values
// that a query asks for need not be read.

import Columns
import Diagnostics
import Storage

extension RowGroupScan {
    /// Larger dictionaries are not looked into: decoding them costs as much as what could be saved.
    private static let dictionaryBytesMax: Int64 = 512 << 10
    /// Row groups of a scan looked at before it must have paid for itself.
    private static let triesFree: Int64 = 4

    /// One in four that are looked at must be ruled out by it.
    private var isDictionaryWorth: Bool {
        let tried = contents.scan.metrics[.dictionariesRead]
        return tried < RowGroupScan.triesFree || contents.scan.metrics[.rowGroupsPrunedByDictionary] * 4 >= tried
    }

    /// The place of a dictionary that holds all values of a chunk, where it may help.
    func dictionary(_ output: Int, _ chunk: ChunkMeta, _ domain: ColumnDomain) -> Range<Int64>? {
        let bytes = chunk.dataOffset &- chunk.dictionaryOffset
        guard chunk.isDictionaryOnly, !chunk.isEncrypted, !chunk.isElsewhere, chunk.dictionaryOffset > 0, bytes > 0,
            bytes <= RowGroupScan.dictionaryBytesMax, bytes < chunk.compressedBytes / 2,
            chunk.dataOffset <= contents.scan.footer.info.sizeBytes, isDictionaryWorth,
            let leaf = contents.leaves[output], BloomFilter.hashes(domain, leaf) != nil,
            bloom(output, chunk, domain) == nil
        else { return nil }
        return chunk.dictionaryOffset..<chunk.dataOffset
    }

    /// Whether the dictionaries let all equalities be true.
    func mayMatchDictionary(_ source: FileBytes, _ domains: [Int: ColumnDomain]) throws(Damage) -> Bool {
        for (output, domain) in domains where listed.contains(output) {
            guard let chunk = chunks[output], let leaf = contents.leaves[output],
                let range = dictionary(output, chunk, domain), let codec = Decompressor.Codec(rawValue: chunk.codec)
            else { continue }
            let (block, offset) = try source.bytes(range)
            defer { withExtendedLifetime(block) {} }
            let header = try PageHeader(block.base + offset, count: range.count)
            guard header.kind == .dictionary, header.headerBytes + header.compressedBytes <= range.count else {
                continue
            }
            let start = offset + header.headerBytes
            let payload = PagePayload(
                base: block.base + start, count: header.compressedBytes,
                readableBehind: block.count - start - header.compressedBytes, owner: block)
            let page = PageDecoder(
                leaf, codec: codec, type: leaf.type, pool: contents.pool, decompressor: contents.decompressor)
            try page.loadDictionary(header, payload, type: leaf.type)
            guard let dictionary = page.dictionary else { continue }
            let mayMatch = (0..<dictionary.count).contains { domain.mayMatch(dictionary.column.scalar($0)) }
            contents.scan.metrics.add(.dictionariesRead)
            if !mayMatch { return false }
        }
        return true
    }
}
