// Short names for moving rows.
import Columns

extension Column {
    /// The values at `rows`, in that order.
    func gather(_ rows: UnsafePointer<Int32>, count: Int) -> Column { Gather.take(self, rows, count: count) }

    /// The same values, one a row.
    func flat() -> Column { Flatten.flat(self) }
}
