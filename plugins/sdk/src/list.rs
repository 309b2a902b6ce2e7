//! Fields that hold several values separated by `;`.

/// The values of a list field: trimmed, empty ones dropped, order kept.
pub fn list(text: Option<&str>) -> impl Iterator<Item = &str> {
    text.unwrap_or_default()
        .split(';')
        .map(str::trim)
        .filter(|value| !value.is_empty())
}

/// The value at `index` of a list that is aligned with another one: empty places count, but give `None`.
pub fn aligned(text: Option<&str>, index: usize) -> Option<&str> {
    text?
        .split(';')
        .nth(index)
        .map(str::trim)
        .filter(|value| !value.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_drops_empty_places_and_keeps_order() {
        assert_eq!(list(Some(" I10 ;;E11.9; ")).collect::<Vec<_>>(), ["I10", "E11.9"]);
        assert_eq!(list(None).count(), 0);
    }

    #[test]
    fn an_aligned_list_keeps_empty_places() {
        let dates = Some("20260101; ;20270101");
        assert_eq!(aligned(dates, 0), Some("20260101"));
        assert_eq!(aligned(dates, 1), None);
        assert_eq!(aligned(dates, 2), Some("20270101"));
        assert_eq!(aligned(dates, 3), None);
        assert_eq!(aligned(None, 0), None);
    }
}
