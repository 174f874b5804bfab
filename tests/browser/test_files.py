"""The book opened from a folder, without a server."""


def test_a_page_opened_as_a_file_asks_nobody_and_complains_of_nothing(
    open_page, address
):
    opened = open_page(address, from_file=True)
    opened.page.wait_for_load_state("networkidle")
    assert opened.requests != []
    assert opened.outside == []
    assert opened.complaints == []
