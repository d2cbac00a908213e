//! As much XML as a suite of tests is written in: elements, attributes, text, comments and entities.

/// An element with what is in it.
#[derive(Debug, Default)]
pub(crate) struct Element {
    name: String,
    attributes: Vec<(String, String)>,
    children: Vec<Element>,
    /// Its own text, without that of its children.
    pub(crate) text: String,
}

impl Element {
    pub(crate) fn attribute(&self, name: &str) -> Option<&str> {
        let found = self.attributes.iter().find(|(known, _)| known == name)?;
        Some(&found.1)
    }

    pub(crate) fn children<'e>(&'e self, name: &'e str) -> impl Iterator<Item = &'e Element> {
        self.children.iter().filter(move |child| child.name == name)
    }

    pub(crate) fn child<'e>(&'e self, name: &'e str) -> Option<&'e Element> {
        self.children(name).next()
    }

    fn collect(self, name: &str, found: &mut Vec<Element>) {
        if self.name == name {
            found.push(self);
            return;
        }
        for child in self.children {
            child.collect(name, found);
        }
    }
}

/// Every element of that name, in order.
pub(crate) fn elements(document: &str, name: &str) -> Vec<Element> {
    let mut stack = vec![Element::default()];
    let mut rest = document;
    while let Some((text, markup)) = rest.split_once('<') {
        open(&mut stack).text.push_str(&unescaped(text));
        if let Some(comment) = markup.strip_prefix("!--") {
            rest = comment.split_once("-->").expect("a comment ends").1;
            continue;
        }
        let (tag, after) = markup.split_once('>').expect("a tag ends");
        rest = after;
        if tag.starts_with(['?', '!']) {
            continue;
        }
        if tag.starts_with('/') {
            close(&mut stack);
            continue;
        }
        stack.push(read_tag(tag.trim_end_matches('/')));
        if tag.ends_with('/') {
            close(&mut stack);
        }
    }
    assert_eq!(stack.len(), 1, "every element is closed");
    let mut found = Vec::new();
    for element in stack.pop().expect("the root").children {
        element.collect(name, &mut found);
    }
    found
}

fn open(stack: &mut [Element]) -> &mut Element {
    stack.last_mut().expect("the root stays open")
}

fn close(stack: &mut Vec<Element>) {
    let element = stack.pop().expect("an element is open");
    open(stack).children.push(element);
}

fn read_tag(tag: &str) -> Element {
    let (name, mut rest) = tag.split_once(char::is_whitespace).unwrap_or((tag, ""));
    let mut element = Element {
        name: name.to_owned(),
        ..Element::default()
    };
    while let Some((key, value)) = rest.split_once('=') {
        let value = value.trim_start();
        let quote = value.chars().next().expect("a value is quoted");
        let (inside, after) = value
            .strip_prefix(quote)
            .and_then(|value| value.split_once(quote))
            .expect("a quote ends");
        element
            .attributes
            .push((key.trim().to_owned(), unescaped(inside)));
        rest = after;
    }
    element
}

fn unescaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, entity)) = rest.split_once('&') {
        out.push_str(before);
        let (name, after) = entity.split_once(';').expect("an entity ends");
        rest = after;
        out.push(match name {
            "lt" => '<',
            "gt" => '>',
            "amp" => '&',
            "quot" => '"',
            "apos" => '\'',
            _ => {
                let number = name.strip_prefix('#').expect("a known entity");
                let code = match number.strip_prefix('x') {
                    Some(hex) => u32::from_str_radix(hex, 16),
                    None => number.parse(),
                };
                char::from_u32(code.expect("a number")).expect("a character")
            }
        });
    }
    out.push_str(rest);
    out
}
