// DuckDB's string_split: unlike string_to_array, an empty text has one piece, and an empty separator separates all
// characters. Pieces are views into the text's own memory. Hot.
import Columns
import Diagnostics
import Glibc

enum SplitFunctions {
    static let all: [Overload] = ["string_split", "str_split", "split"].map { name in
        Overload(name, [.text, .text], .array(.text), isStrict: false, canFail: false) {
            (_, a, rows) throws(SQLError) in
            try split(Flatten.flat(a[0]), a[1], rows)
        }
    }

    private static func split(_ texts: Column, _ separators: Column, _ rows: Int) throws(SQLError) -> Column {
        let spans = Buffer(count: max(1, rows), of: ListSpan.self)
        let (target, views) = (spans.pointer(ListSpan.self), texts.pointer(StringView.self))
        let marks = Lane(separators, StringView.self)
        var pieces: ContiguousArray<StringView> = []
        pieces.reserveCapacity(rows * 2)
        for row in 0..<rows {
            let first = pieces.count
            defer { target[row] = ListSpan(start: first, count: pieces.count - first) }
            guard texts.isValid(row) else { continue }
            let view = views[row]
            // Short texts lie in the view itself, which the column keeps where it is.
            let base = view.isInline ? UnsafeRawPointer(views + row) + 4 : view.address
            let text = UnsafeRawBufferPointer(start: base, count: view.count)
            guard separators.isValid(row) else {
                pieces.append(view)
                continue
            }
            marks[row].withBytes { append(text, $0, &pieces) }
        }
        guard pieces.count <= Int(Int32.max) else { throw SQLError(.programLimitExceeded, "too many elements") }
        let values = Buffer(count: max(1, pieces.count), of: StringView.self)
        pieces.withUnsafeBytes { raw in
            if let from = raw.baseAddress { memcpy(values.base, from, raw.count) }
        }
        let child = Column(.text, count: pieces.count, values: values, heaps: texts.heaps)
        return Column(.array(.text), count: rows, values: spans, validity: texts.validity, child: child)
    }

    @inline(__always)
    private static func append(
        _ text: UnsafeRawBufferPointer, _ mark: UnsafeRawBufferPointer, _ pieces: inout ContiguousArray<StringView>
    ) {
        guard let base = text.baseAddress, text.count > 0 else {
            return pieces.append(StringView(head: 0, tail: 0))
        }
        var start = 0
        guard mark.count > 0, let sign = mark.baseAddress else {
            while start < text.count {
                let next = TextOps.next(text, start)
                pieces.append(StringView(base + start, next - start))
                start = next
            }
            return
        }
        let first = Int32(mark[0])
        var from = 0
        while text.count - from >= mark.count,
            let found = memchr(base + from, first, text.count - from - mark.count + 1)
        {
            let at = UnsafeRawPointer(found) - base
            guard memcmp(found, sign, mark.count) == 0 else {
                from = at + 1
                continue
            }
            pieces.append(StringView(base + start, at - start))
            start = at + mark.count
            from = start
        }
        // The constructor reads nothing of an empty piece.
        pieces.append(start < text.count ? StringView(base + start, text.count - start) : StringView(head: 0, tail: 0))
    }
}
