//! Packs of rules: the one that comes with the agent, and the form in which others are handed in.

/// One CSV file.
#[derive(Debug, Clone, Copy)]
pub struct File<'t> {
    /// For messages.
    pub name: &'t str,
    /// What stands in it.
    pub text: &'t str,
}

/// Files that belong together.
#[derive(Debug, Clone, Default)]
pub struct Pack<'t> {
    /// Rules.
    pub rules: Vec<File<'t>>,
    /// Lists of codes, by the names that rules give them: `ma-nhom` is `ma-nhom.csv`.
    pub codes: Vec<File<'t>>,
}

macro_rules! files {
    ($folder:literal: $($name:literal),* $(,)?) => {
        vec![$(File {
            name: concat!("configs/", $folder, "/", $name, ".csv"),
            text: include_str!(concat!("../../../../configs/", $folder, "/", $name, ".csv")),
        }),*]
    };
}

/// The national rules that come with the agent.
pub fn shipped() -> Pack<'static> {
    Pack {
        rules: files!("rules": "forms", "needs", "codes", "identity", "times", "money", "tables", "papers"),
        codes: files!("codes": "ma-loai-kcb", "ket-qua-dtri", "ma-nhom", "tinh", "dan-toc"),
    }
}
