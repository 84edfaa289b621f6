/** Jinja as the transformers library renders chat templates with it; not for use from outside. */
@NullMarked
package io.distill.huggingface.internal;

import org.jspecify.annotations.NullMarked;
