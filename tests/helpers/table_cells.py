"""What the cells of a table say about confidence, by (subset, metric, column)."""


def intervals(table):
    return {key: cell.interval for key, cell in cells(table).items() if cell.interval}


def tied(table):
    return {key for key, cell in cells(table).items() if cell.tied}


def cells(table):
    return {(line.split, line.metric, i): cell for line in table.lines for i, cell in enumerate(line.cells)}
