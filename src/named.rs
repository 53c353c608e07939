//! Enums whose values have names. Parameters, reports, metrics, the OpenAPI document and serialised jobs use the same
//! names.

/// Declares an enum with a name for each value. Adds `ALL`, `NAMES`, `CHOICES`, `name` and `from_name`, and serde by
/// name.
macro_rules! named {
    ($(#[$attr:meta])* $vis:vis enum $enum:ident { $($(#[$value_attr:meta])* $value:ident = $name:literal,)+ }) => {
        $(#[$attr])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
        $vis enum $enum {
            $($(#[$value_attr])* #[serde(rename = $name)] $value,)+
        }

        #[allow(dead_code, reason = "an enum of this crate alone may use only some of these")]
        impl $enum {
            /// Every value.
            $vis const ALL: &'static [$enum] = &[$($enum::$value),+];

            /// The name of every value, in the same order.
            $vis const NAMES: &'static [&'static str] = &[$($name),+];

            /// Every value with its name.
            $vis const CHOICES: &'static [(&'static str, $enum)] = &[$(($name, $enum::$value)),+];

            /// The value's name.
            $vis const fn name(self) -> &'static str {
                match self {
                    $($enum::$value => $name,)+
                }
            }

            /// The value of this name.
            $vis fn from_name(name: &str) -> Option<$enum> {
                $enum::ALL.iter().copied().find(|value| value.name() == name)
            }
        }
    };
}

pub(crate) use named;

#[cfg(test)]
mod tests {
    named! {
        /// For the test.
        enum Fruit {
            Apple = "apple",
            SourCherry = "sour_cherry",
        }
    }

    #[test]
    fn a_value_is_found_by_its_name_and_serialises_as_it() {
        for fruit in Fruit::ALL {
            assert_eq!(Fruit::from_name(fruit.name()), Some(*fruit));
            assert_eq!(serde_json::to_value(fruit).unwrap(), fruit.name());
        }
        assert_eq!(Fruit::NAMES, ["apple", "sour_cherry"]);
        assert_eq!(Fruit::CHOICES[1], ("sour_cherry", Fruit::SourCherry));
        assert_eq!(Fruit::from_name("Apple"), None);
    }
}
