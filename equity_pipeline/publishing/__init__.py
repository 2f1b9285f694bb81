"""What people hold in their hands: tables, site, workbook, data files and the release that carries them.

Only frames that passed `disclosure` come in here. Nothing in this package reads a student row, computes a statistic or
loosens a suppression: it chooses words, order and form.
"""
