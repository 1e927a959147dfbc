// Tells when an element comes near the window for the first time. One observer for all.

const MARGIN = "400px 0px";

const waiting = new WeakMap<Element, () => void>();
let observer: IntersectionObserver | undefined;

function watch(entries: IntersectionObserverEntry[]): void {
  for (const { isIntersecting, target } of entries) {
    if (!isIntersecting) continue;
    observer?.unobserve(target);
    waiting.get(target)?.();
  }
}

export const near = (arrived: () => void) => (element: Element) => {
  observer ??= new IntersectionObserver(watch, { rootMargin: MARGIN });
  waiting.set(element, arrived);
  observer.observe(element);
  return () => observer?.unobserve(element);
};
