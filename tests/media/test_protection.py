from __future__ import annotations

from media.protection import CLEAN_REPORTS, Protection


def test_a_clean_path_is_left_alone() -> None:
    protection = Protection()

    assert not any(protection.reported(share) for share in (0.0, 0.01, 0.02, 0.0))
    assert protection.expected_loss == 0


def test_loss_turns_protection_on_at_once_and_more_loss_turns_it_up() -> None:
    protection = Protection()

    assert protection.reported(0.05)
    assert not protection.reported(0.06)
    assert protection.reported(0.15)
    assert protection.expected_loss == 0.15


def test_it_goes_off_only_after_a_row_of_clean_reports() -> None:
    protection = Protection()
    protection.reported(0.05)

    changes = [protection.reported(0.0) for _ in range(CLEAN_REPORTS - 1)]
    assert not any(changes)
    assert not protection.reported(0.02)
    changes = [protection.reported(0.0) for _ in range(CLEAN_REPORTS)]
    assert changes == [False] * (CLEAN_REPORTS - 1) + [True]
    assert protection.expected_loss == 0
