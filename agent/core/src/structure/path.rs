//! Where in a resource a check stands: written out only where there is something to tell.

use std::fmt;

/// The way to an element.
#[derive(Debug, Default)]
pub(super) struct Path<'t> {
    root: &'t str,
    steps: Vec<(&'t str, Option<usize>)>,
}

impl<'t> Path<'t> {
    /// The type of the resource.
    pub(super) fn begin(&mut self, root: &'t str) {
        self.root = root;
    }

    /// Into a member, and into a place of it where it is a list.
    pub(super) fn enter(&mut self, key: &'t str, at: Option<usize>) {
        self.steps.push((key, at));
    }

    /// To another place of the same list, or out of it.
    pub(super) fn at(&mut self, at: Option<usize>) {
        if let Some(step) = self.steps.last_mut() {
            step.1 = at;
        }
    }

    pub(super) fn leave(&mut self) {
        self.steps.pop();
    }
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.root)?;
        for (key, at) in &self.steps {
            write!(f, ".{key}")?;
            if let Some(at) = at {
                write!(f, "[{at}]")?;
            }
        }
        Ok(())
    }
}
