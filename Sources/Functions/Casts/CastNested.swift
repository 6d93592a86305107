// Casts between structs: field by field, over the columns of the fields at once.
import Columns
import Diagnostics

enum CastNested {
    /// Casts the fields, found by name or by place; the names are those of the target.
    static func rows(_ from: [StructField], _ to: [StructField], _ type: SQLType, isExplicit: Bool) -> Kernel? {
        guard let sources = from.sources(for: to) else { return nil }
        var kernels: [Kernel] = []
        for (source, field) in zip(sources, to) {
            guard let inner = Casts.kernel(from[source].type, field.type, isExplicit: isExplicit) else { return nil }
            kernels.append(KernelFrame.wrap(field.type, isStrict: true, volatility: .stable, inner))
        }
        return { [kernels] (context, a, rows) throws(SQLError) in
            let column = Flatten.flat(a[0]).compacted()
            var fields: [Column] = []
            for (index, source) in sources.enumerated() where column.fields.indices.contains(source) {
                let field = column.fields[source]
                fields.append(Flatten.flat(try kernels[index](context, [field], field.count)))
            }
            return Column(type, count: rows, values: column.values, validity: column.validity, fields: fields)
        }
    }
}
