//! Enums that stand in the store by number and in files by word, each written as one table.

/// An enum whose variants have a number in the store: `enum E { A = 1, B = 2, }`. Numbers are never reused.
///
/// Gives `ALL` (in the order of the table), `number()` and `from_number()`.
macro_rules! numbered {
    ($(#[$meta:meta])* $vis:vis enum $name:ident {
        $($(#[$about:meta])* $variant:ident = $number:literal,)+
    }) => {
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        $(#[$meta])*
        $vis enum $name {
            $($(#[$about])* $variant = $number,)+
        }

        #[allow(dead_code, reason = "a table is read in the ways that its users need")]
        impl $name {
            /// All of them, in the order of the table.
            $vis const ALL: [Self; [$($number),+].len()] = [$(Self::$variant),+];

            /// Number in the store; 0 stands for none.
            $vis fn number(self) -> i64 {
                self as i64
            }

            /// What has this number.
            $vis fn from_number(number: i64) -> Option<Self> {
                Self::ALL.into_iter().find(|known| known.number() == number)
            }
        }
    };
}

/// The same with a word each: `enum E { A = 1 "a", B = 2 "b", }`.
///
/// Gives `code()` and `from_code()` besides.
macro_rules! coded {
    ($(#[$meta:meta])* $vis:vis enum $name:ident {
        $($(#[$about:meta])* $variant:ident = $number:literal $word:literal,)+
    }) => {
        $crate::domain::coded_enums::numbered! {
            $(#[$meta])*
            $vis enum $name {
                $($(#[$about])* $variant = $number,)+
            }
        }

        #[allow(dead_code, reason = "a table is read in the ways that its users need")]
        impl $name {
            /// Its word in files and JSON.
            $vis fn code(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)+
                }
            }

            /// What has this word.
            $vis fn from_code(code: &str) -> Option<Self> {
                Self::ALL.into_iter().find(|known| known.code() == code)
            }
        }
    };
}

pub(crate) use {coded, numbered};

#[cfg(test)]
mod tests {
    coded! {
        /// Made up.
        enum Fruit {
            Apple = 3 "apple",
            Pear = 1 "pear",
        }
    }

    #[test]
    fn numbers_and_words_go_there_and_back() {
        assert_eq!(Fruit::ALL, [Fruit::Apple, Fruit::Pear]);
        for fruit in Fruit::ALL {
            assert_eq!(Fruit::from_number(fruit.number()), Some(fruit));
            assert_eq!(Fruit::from_code(fruit.code()), Some(fruit));
        }
        assert_eq!((Fruit::Apple.number(), Fruit::Pear.code()), (3, "pear"));
        assert_eq!(
            (Fruit::from_number(0), Fruit::from_code("Pear")),
            (None, None)
        );
    }
}
